/** What the extension is made of, and the life of its server. */

import * as path from "node:path";
import * as vscode from "vscode";
import { LanguageClient, State } from "vscode-languageclient/node";

import { createClient } from "./client";
import { Crashes } from "./crashes";
import { Found } from "./discovery";
import { OwnEnvironment } from "./environment";
import { isCancelled, isLost, messageOf } from "./requests";
import { RestartQueue } from "./restart";
import { Rewrites } from "./rewrites";
import { find, install, offer, ownEnvironment } from "./server";
import { Status } from "./status";
import { Store, StoredHistory, storing } from "./store";

const SHOW_LOGS = "Show Logs";
const RESTART = "Restart";

/** Owns the client, the status item, the history and the channels of a window. */
export class Ctx implements vscode.Disposable {
  readonly history: StoredHistory;
  readonly rewrites = new Rewrites((entry) => {
    this.history.add(entry);
  });
  readonly own: OwnEnvironment;
  found: Found = { kind: "missing" };
  private client: LanguageClient | undefined;
  private readonly status = new Status();
  private readonly crashes = new Crashes();
  private readonly starts = new RestartQueue(() => this.startAnew());

  constructor(
    readonly extension: vscode.ExtensionContext,
    readonly log: vscode.LogOutputChannel,
  ) {
    this.own = ownEnvironment(extension);
    const store = new Store(path.join(extension.globalStorageUri.fsPath, "history"), this.workspace ?? "");
    this.history = new StoredHistory(store, (problem) => {
      this.log.warn(problem);
      void vscode.window.showWarningMessage(`promptopt: ${problem}`);
    });
  }

  /** What this window's workspace is known by: its own folder among those that VS Code has for the extension. */
  private get workspace(): string | undefined {
    return this.extension.storageUri?.toString();
  }

  /** The client, when its server is running. */
  get running(): LanguageClient | undefined {
    return this.client?.state === State.Running ? this.client : undefined;
  }

  /** Stores the history, or deletes what was stored, as the setting and the trust in the workspace have it now. */
  keepHistory(): void {
    const wanted = vscode.workspace.getConfiguration("promptopt").get("history.store");
    this.history.follow(storing(wanted, vscode.workspace.isTrusted, this.workspace));
  }

  /** Starts the server, or stops it and starts it again; never waits for the user, nor for a server that does not answer. */
  async restart(): Promise<void> {
    this.crashes.forget();
    if (this.client?.state === State.Starting) await this.stop();
    await this.starts.run();
  }

  /** Lets the user install the server, or update it, and starts it. */
  async install(): Promise<void> {
    try {
      if (!(await install(this.own, this.log, () => this.stop()))) return;
    } catch (error) {
      this.fail(`promptopt: the language server was not installed. ${messageOf(error)}`, SHOW_LOGS);
      if (!this.own.exists) return;
    }
    await this.restart();
  }

  /** Removes the extension's own environment. */
  async uninstall(): Promise<void> {
    await this.stop();
    try {
      this.own.remove();
    } catch (error) {
      this.fail(`promptopt: the language server was not removed. ${messageOf(error)}`, SHOW_LOGS);
    }
    await this.restart();
  }

  /** Says why there is no server, with what can be done about it. */
  explain(): void {
    if (this.starts.busy) void vscode.window.showInformationMessage("promptopt: the language server is starting; try again in a moment.");
    else if (this.found.kind === "found") this.fail("promptopt: the language server is not running.", RESTART, SHOW_LOGS);
    else this.offer();
  }

  /** Shows an error with buttons, without waiting for the user. */
  fail(message: string, ...buttons: string[]): void {
    this.log.error(message);
    void vscode.window.showErrorMessage(message, ...buttons).then((picked) => {
      if (picked === SHOW_LOGS) this.log.show();
      if (picked === RESTART) void this.restart();
    });
  }

  /** Shows what went wrong with a rewrite; nothing where the user did not want it any more. */
  failed(error: unknown): void {
    if (!isCancelled(error)) this.fail(`promptopt: ${messageOf(error)}`, SHOW_LOGS);
  }

  /** Stops the server; one that does not answer is killed: by the client library a moment later, or here where that would refuse to. */
  async stop(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client?.state === State.Starting) client.serverProcess?.kill("SIGKILL");
    else
      await client?.dispose().catch((error: unknown) => {
        this.log.warn(`The server did not stop: ${messageOf(error)}`);
      });
  }

  dispose(): void {
    this.rewrites.dispose();
    this.status.dispose();
  }

  private async startAnew(): Promise<void> {
    await this.stop();
    this.status.tell({ state: "starting", message: "Starting the language server." });
    this.found = await find(this.own);
    if (this.found.kind !== "found") {
      this.status.tell({ state: "error", message: "The language server is not on this machine." });
      this.offer();
      return;
    }
    const { candidate, version } = this.found;
    this.log.info(`Server ${version} from ${candidate.origin}: ${candidate.file}`);
    const client = createClient(candidate.file, this.log, {
      status: (status) => {
        this.status.tell(status);
      },
      rewriting: (edit) => {
        this.rewrites.announce(edit);
      },
      failed: (error) => {
        this.failed(error);
      },
      crashed: () => {
        this.crashed();
      },
    });
    this.client = client;
    client.onDidChangeState(({ newState }) => {
      if (newState === State.Running) this.status.tell({ state: "ready", message: "Ready." });
    });
    try {
      await client.start();
      if (this.client !== client) await client.dispose(); // it was stopped before it had a process
    } catch (error) {
      if (this.client !== client) return; // it was stopped meanwhile
      const reason = isLost(error) ? "It has ended before it answered." : messageOf(error);
      this.client = undefined; // it cannot be stopped: its library would refuse that
      this.status.tell({ state: "error", message: reason });
      this.fail(`promptopt: the language server did not start. ${reason}`, RESTART, SHOW_LOGS);
    }
  }

  private offer(): void {
    void offer(this.found, () => this.install());
  }

  private crashed(): void {
    const again = this.crashes.again();
    this.log.warn(again ? "The server has ended; it is started again." : "The server keeps ending; it is left alone.");
    this.status.tell({ state: again ? "starting" : "error", message: "The language server has ended." });
    if (again) void this.starts.run();
    else this.fail("promptopt: the language server keeps ending and is not started again.", RESTART, SHOW_LOGS);
  }
}
