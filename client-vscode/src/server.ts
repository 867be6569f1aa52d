/** Finds the server on this machine, or helps to install it. */

import * as fs from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

import { Found, Machine, Places, findServer } from "./discovery";
import { OwnEnvironment } from "./environment";
import { output } from "./process";

const WINDOWS = process.platform === "win32";
const PYTHON_EXTENSION = "ms-python.python";
const INSTALL = "Install…";
const SETTING = "Open Setting";

/** The part of the Python extension's interface that is used here. */
interface PythonApi {
  readonly environments?: { getActiveEnvironmentPath(resource?: vscode.Uri): { readonly path: string } };
}

const machine: Machine = {
  windows: WINDOWS,
  exists: (file) => fs.existsSync(file),
  version: (file) => output(file, ["--version"]),
};

/** The environment of the extension's own. */
export function ownEnvironment(context: vscode.ExtensionContext): OwnEnvironment {
  return new OwnEnvironment(path.join(context.globalStorageUri.fsPath, "environment"), WINDOWS, output);
}

/** Looks for the server; in a workspace that is not trusted, not within it. */
export async function find(own: OwnEnvironment): Promise<Found> {
  const trusted = vscode.workspace.isTrusted;
  const places: Places = {
    setting: vscode.workspace.getConfiguration("promptopt").get("server.path", "").trim(),
    path: (process.env["PATH"] ?? "").split(path.delimiter),
    folders: trusted ? localFolders() : [],
    python: trusted ? await selectedPython() : "",
    own: own.folder,
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

/** Installs or updates the server after the user has seen what will be run; false when the user did not want it. */
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
    const stop = new AbortController();
    token.onCancellationRequested(() => {
      stop.abort();
    });
    const tell = (message: string): void => {
      log.info(message);
      shown.report({ message });
    };
    await own.install(pythons.filter(Boolean), what, tell, stop.signal);
  });
  return true;
}

function localFolders(): string[] {
  const folders = vscode.workspace.workspaceFolders ?? [];
  return folders.filter((folder) => folder.uri.scheme === "file").map((folder) => folder.uri.fsPath);
}

/** The interpreter that is selected in the Python extension; empty without one. */
async function selectedPython(): Promise<string> {
  const extension = vscode.extensions.getExtension<PythonApi>(PYTHON_EXTENSION);
  if (extension === undefined) return "";
  const api = extension.isActive ? extension.exports : await extension.activate();
  const selected = api.environments?.getActiveEnvironmentPath(vscode.workspace.workspaceFolders?.[0]?.uri).path ?? "";
  return path.isAbsolute(selected) ? selected : "";
}
