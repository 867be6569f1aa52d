/** What the extension is made of, and the life of its server. */

import * as path from "node:path";
import * as vscode from "vscode";
import { LanguageClient, State } from "vscode-languageclient/node";

import { createClient } from "./client";
import { Crashes } from "./crashes";
import { Found } from "./discovery";
import { OwnEnvironment } from "./environment";
import { exited, within } from "./process";
import { isCancelled, isLost, messageOf } from "./requests";
import { RestartQueue } from "./restart";
import { Rewrites } from "./rewrites";
import { find, install, offer, ownEnvironment } from "./server";
import { Status } from "./status";
import { Store, StoredHistory, storing } from "./store";

const SHOW_LOGS = "Show Logs";
const RESTART = "Restart";
const END_MS = 10_000;
const CHANGING = "The language server is being installed, updated or removed.";

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
  /** Resolves when the processes of all servers that were stopped have ended. */
  private gone: Promise<unknown> = Promise.resolve();
  /** The process for whose change of the environment there is no server now. */
  private yieldedTo: number | undefined;
  private readonly unwatch: () => void;

  constructor(
    readonly extension: vscode.ExtensionContext,
    readonly log: vscode.LogOutputChannel,
  ) {
    this.own = ownEnvironment(extension, () => this.makeWay(process.pid));
    this.unwatch = this.own.sharing.watch(() => this.follow());
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
    const done = this.own.exists ? "updated" : "installed";
    let wanted: boolean;
    try {
      wanted = await install(this.own, this.log);
    } catch (error) {
      this.fail(`promptopt: the language server was not ${done}. ${messageOf(error)}`, SHOW_LOGS);
      wanted = this.own.exists && this.running === undefined;
    }
    if (wanted || this.yieldedTo !== undefined) await this.restart();
  }

  /** Removes the extension's own environment. */
  async uninstall(): Promise<void> {
    try {
      await this.own.remove((problem) => {
        this.log.warn(problem);
        void vscode.window.showWarningMessage(`promptopt: ${problem}`);
      });
    } catch (error) {
      this.fail(`promptopt: the language server was not removed. ${messageOf(error)}`, SHOW_LOGS);
      if (this.running !== undefined) return;
    }
    await this.restart();
  }

  /** Says why there is no server, with what can be done about it. */
  explain(): void {
    if (this.starts.busy) void vscode.window.showInformationMessage("promptopt: the language server is starting; try again in a moment.");
    else if (this.yieldedTo !== undefined) void vscode.window.showInformationMessage(`promptopt: ${CHANGING} Try again when that is done.`);
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
    if (client !== undefined) await this.end(client);
  }

  dispose(): void {
    this.unwatch();
    this.rewrites.dispose();
    this.status.dispose();
  }

  private async end(client: LanguageClient): Promise<void> {
    const server = client.serverProcess;
    if (server !== undefined) this.gone = Promise.all([this.gone, exited(server)]);
    if (client.state === State.Starting) server?.kill("SIGKILL");
    else
      await client.dispose().catch((error: unknown) => {
        this.log.warn(`The server did not stop: ${messageOf(error)}`);
      });
  }

  /** Stops the server, whose environment is about to be changed, and waits for the end of its process. */
  private async makeWay(pid: number): Promise<void> {
    this.yieldedTo = pid;
    await this.stop();
    this.status.tell({ state: "stopped", message: CHANGING });
    const ended = this.starts.idle().then(() => this.gone);
    if (!(await within(END_MS, ended))) throw new Error(`The running server did not end within ${String(END_MS / 1000)} seconds.`);
    if (this.client === undefined) this.own.sharing.leave();
  }

  /** Stops the server while another window changes the environment that it runs from, and starts it when that is done. */
  private async follow(): Promise<void> {
    const { changing, using } = this.own.sharing;
    const yielded = this.yieldedTo !== undefined;
    try {
      if (changing === undefined && yielded && this.yieldedTo !== process.pid && !this.starts.busy) await this.restart();
      if (changing !== undefined && changing !== process.pid && using && !yielded) await this.makeWay(changing);
    } catch (error) {
      this.log.warn(`The server does not make way: ${messageOf(error)}`);
    }
  }

  /** Looks for the server, and says to other windows whether it is the one in the extension's own environment, and whose change of that is in the way. */
  private async look(): Promise<Found> {
    const { sharing } = this.own;
    try {
      if (this.own.exists) sharing.enter(); // before it is asked who changes it: a window that does asks in the other order
    } catch (error) {
      this.log.warn(`Other windows cannot be told that the server runs: ${messageOf(error)}`);
    }
    const found = await find(this.own);
    const own = found.kind === "missing" || found.candidate.origin === "own environment";
    const { changing } = sharing;
    if (changing !== undefined || !own || found.kind !== "found") sharing.leave();
    this.yieldedTo = own ? changing : undefined;
    return found;
  }

  private async startAnew(): Promise<void> {
    await this.stop();
    this.status.tell({ state: "starting", message: "Starting the language server." });
    this.found = await this.look();
    if (this.yieldedTo !== undefined) {
      this.status.tell({ state: "stopped", message: CHANGING });
      return;
    }
    if (this.found.kind !== "found") {
      this.status.tell({ state: "error", message: "The language server is not on this machine." });
      this.offer();
      return;
    }
    const { candidate, version } = this.found;
    this.log.info(`Server ${version} from ${candidate.origin}: ${candidate.file}`);
    const client = createClient(candidate.file, this.log, {
      status: (status) => {
        if (this.client === client) this.status.tell(status);
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
      if (newState === State.Running && this.client === client) this.status.tell({ state: "ready", message: "Ready." });
    });
    try {
      await client.start();
      if (this.client !== client) await this.end(client); // it was stopped before it had a process
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
