/** Finds the server on this machine, or helps to install it. */

import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

import { Found, Machine, Places, findServer, interpreter } from "./discovery";
import { OwnEnvironment } from "./environment";
import { Failed, output } from "./process";

const WINDOWS = process.platform === "win32";
const PYTHON_EXTENSION = "ms-python.python";
const INSTALL = "Install…";
const SETTING = "Open Setting";

const machine: Machine = {
  windows: WINDOWS,
  exists: (file) => fs.existsSync(file),
  version: (file) => output(file, ["--version"]),
};

/** The environment of the extension's own; `stop` ends this window's server. */
export function ownEnvironment(context: vscode.ExtensionContext, stop: () => Promise<void>): OwnEnvironment {
  return new OwnEnvironment(path.join(context.globalStorageUri.fsPath, "environment"), WINDOWS, output, stop);
}

/** Looks for the server; in a workspace that is not trusted, not within it, and not in an environment that is being changed. */
export async function find(own: OwnEnvironment): Promise<Found> {
  const trusted = vscode.workspace.isTrusted;
  const places: Places = {
    setting: vscode.workspace.getConfiguration("promptopt").get("server.path", "").trim(),
    path: (process.env["PATH"] ?? "").split(path.delimiter),
    folders: trusted ? localFolders() : [],
    python: trusted ? await selectedPython() : "",
    own: own.sharing.changing === undefined ? own.folder : "",
  };
  return findServer(places, machine);
}

/** Says that there is no server, with buttons for what can be done. Callers do not wait for it. */
export async function offer(found: Found, install: () => Promise<void>): Promise<void> {
  const what =
    found.kind === "broken"
      ? `promptopt: ${found.candidate.file} does not run (${found.candidate.origin}): ${found.reason}.`
      : "promptopt: the language server is not on this machine. It can be installed into an environment of the extension's own.";
  const picked = await vscode.window.showWarningMessage(what, INSTALL, SETTING);
  if (picked === INSTALL) await install();
  if (picked === SETTING) await vscode.commands.executeCommand("workbench.action.openSettings", "promptopt.server");
}

/**
 * Installs or updates the server after the user has seen what will be run. False where the user did not want it, or cancelled and nothing is
 * there.
 */
export async function install(own: OwnEnvironment, log: vscode.LogOutputChannel): Promise<boolean> {
  const what = vscode.workspace.getConfiguration("promptopt").get("server.package", "promptopt");
  const detail = `pip will install ${what} and what it needs (about 150 MB) into\n${own.folder}\nNothing else on this machine is changed.`;
  const verb = own.exists ? "Update" : "Install";
  const picked = await vscode.window.showInformationMessage(`${verb} the promptopt language server?`, { modal: true, detail }, verb);
  if (picked !== verb) return false;
  const selected = vscode.workspace.isTrusted ? await selectedPython() : "";
  const pythons = [selected, ...(WINDOWS ? ["py", "python"] : ["python3", "python3.13", "python3.12", "python3.11"])];
  const progress = { location: vscode.ProgressLocation.Notification, title: "promptopt", cancellable: true };
  await vscode.window.withProgress(progress, async (shown, token) => {
    const cancel = new AbortController();
    token.onCancellationRequested(() => {
      cancel.abort();
    });
    const tell = (message: string): void => {
      log.info(message);
      shown.report({ message });
    };
    try {
      await own.install(pythons.filter(Boolean), what, tell, cancel.signal);
    } catch (error) {
      if (!cancel.signal.aborted) {
        if (error instanceof Failed) log.error(error.printed);
        throw error;
      }
      log.info("Cancelled.");
    }
  });
  return own.exists;
}

function localFolders(): string[] {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return folders.filter((folder) => folder.uri.scheme === "file").map((folder) => folder.uri.fsPath);
}

function selectedPython(): Promise<string> {
  return interpreter(vscode.extensions.getExtension(PYTHON_EXTENSION), vscode.workspace.workspaceFolders?.[0]?.uri);
}
