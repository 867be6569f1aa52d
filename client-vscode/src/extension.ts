/** Where VS Code comes in. */

import * as vscode from "vscode";

import { registerCommands } from "./commands";
import { Ctx } from "./context";
import { Preview } from "./preview";

let current: Ctx | undefined;

/** Registers everything and starts the server; what is found or not found is said without holding VS Code up. */
export function activate(extension: vscode.ExtensionContext): void {
  const log = vscode.window.createOutputChannel("promptopt", { log: true });
  const ctx = new Ctx(extension, log);
  current = ctx;
  const preview = new Preview(ctx);
  extension.subscriptions.push(
    log,
    ctx,
    preview,
    ...registerCommands(ctx, preview),
    vscode.workspace.onDidChangeConfiguration((change) => {
      if (change.affectsConfiguration("promptopt.server.path")) void ctx.restart();
      if (change.affectsConfiguration("promptopt.history.store")) ctx.keepHistory();
    }),
    vscode.workspace.onDidGrantWorkspaceTrust(() => {
      ctx.keepHistory();
      void ctx.restart();
    }),
  );
  ctx.keepHistory();
  void ctx.restart();
}

/** Stops the server. */
export async function deactivate(): Promise<void> {
  await current?.stop();
}
