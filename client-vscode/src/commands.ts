/** The commands of the palette, the menus and the keys. */

import * as vscode from "vscode";
import { CodeAction, CodeActionKind, CodeActionRequest, Command, LanguageClient } from "vscode-languageclient/node";

import type { Ctx } from "./context";
import type { Preview } from "./preview";
import { executeShown } from "./progress";
import { DOCTOR, OPTIMIZE, VARIANTS, execute } from "./requests";
import { Diagnosis, Finding, report } from "./report";
import { showHistory } from "./undo";

const OTHER = "Another adapter…";
const SERVED = ["file", "untitled"];

type Work = (client: LanguageClient, editor: vscode.TextEditor) => Promise<void>;

/** Registers all commands. The server's own, `promptopt.optimize` and others, are registered by the client library. */
export function registerCommands(ctx: Ctx, preview: Preview): vscode.Disposable[] {
  const onEditor = (work: Work) => () => withEditor(ctx, work);
  const commands: Record<string, () => unknown> = {
    "promptopt.optimizePrompt": onEditor((client, editor) => {
      const always = vscode.workspace.getConfiguration("promptopt", editor.document).get<string>("preview") === "always";
      return always ? preview.show(client, editor.document, editor.selection) : optimize(client, editor, OPTIMIZE);
    }),
    "promptopt.optimizePromptAs": onEditor(optimizeAs),
    "promptopt.showVariants": onEditor((client, editor) => optimize(client, editor, VARIANTS)),
    "promptopt.previewPrompt": onEditor((client, editor) => preview.show(client, editor.document, editor.selection)),
    "promptopt.acceptPreview": () => preview.accept(),
    "promptopt.discardPreview": () => preview.discard(),
    "promptopt.tryPreviewAgain": () => preview.again(),
    "promptopt.showHistory": () => showHistory(ctx.history.entries),
    "promptopt.showDoctor": () => showDoctor(ctx),
    "promptopt.showLogs": () => {
      ctx.log.show();
    },
    "promptopt.restartServer": () => ctx.restart(),
    "promptopt.installServer": () => ctx.install(),
    "promptopt.uninstallServer": () => ctx.uninstall(),
  };
  return Object.entries(commands).map(([name, run]) => vscode.commands.registerCommand(name, run));
}

/** Does `work` on the active editor with a running server, or says why not. */
async function withEditor(ctx: Ctx, work: Work): Promise<void> {
  const editor = vscode.window.activeTextEditor;
  if (editor === undefined || !SERVED.includes(editor.document.uri.scheme)) {
    void vscode.window.showInformationMessage("promptopt: open a file and select what you want to ask.");
    return;
  }
  await withServer(ctx, (client) => work(client, editor));
}

async function withServer(ctx: Ctx, work: (client: LanguageClient) => Promise<void>): Promise<void> {
  const client = ctx.running;
  if (client === undefined) {
    ctx.explain();
    return;
  }
  try {
    await work(client);
  } catch (error) {
    ctx.failed(error);
  }
}

/** Runs one of the server's commands on the selection; without one, on what stands around the cursor. The server applies the edit. */
async function optimize(client: LanguageClient, editor: vscode.TextEditor, command: string): Promise<void> {
  const converter = client.code2ProtocolConverter;
  await executeShown(client, command, { uri: converter.asUri(editor.document.uri), range: converter.asRange(editor.selection) });
}

/** Lets the user choose the adapter: one of those that the server offers for the selection, or any other by its name. */
async function optimizeAs(client: LanguageClient, editor: vscode.TextEditor): Promise<void> {
  const converter = client.code2ProtocolConverter;
  const found = await client.sendRequest(CodeActionRequest.type, {
    textDocument: converter.asTextDocumentIdentifier(editor.document),
    range: converter.asRange(editor.selection),
    context: { diagnostics: [], only: [CodeActionKind.RefactorRewrite] },
  });
  // CodeAction.is would want an edit or a command, which an action that is disabled has not
  const actions = (found ?? []).filter((action): action is CodeAction => !Command.is(action));
  const disabled = actions.find((action) => action.disabled)?.disabled;
  const rewrites = actions.map((action) => action.command).filter((command) => command?.command === OPTIMIZE);
  const requests = rewrites.map((command) => command?.arguments?.[0] as Record<string, unknown>);
  const [request] = requests;
  if (request === undefined) {
    const reason = disabled?.reason ?? "Select what you want to ask, then choose the command again.";
    void vscode.window.showInformationMessage(`promptopt: ${reason}`);
    return;
  }
  const names = requests.map((data) => data["adapter"]).filter((name) => typeof name === "string" && name !== "");
  const adapter = await pickAdapter(names as string[]);
  if (adapter !== undefined) await executeShown(client, OPTIMIZE, { ...request, adapter });
}

async function pickAdapter(names: readonly string[]): Promise<string | undefined> {
  const picked = await vscode.window.showQuickPick([...names, OTHER], { placeHolder: "Which adapter writes?" });
  if (picked !== OTHER) return picked;
  const prompt = "A built-in name, a folder, or owner/name on the Hugging Face Hub; what is not on this machine is fetched.";
  const typed = await vscode.window.showInputBox({ prompt, placeHolder: "golden" });
  return typed?.trim() === "" ? undefined : typed?.trim();
}

/** Opens what the server's doctor says, with what the extension knows on top. */
async function showDoctor(ctx: Ctx): Promise<void> {
  await withServer(ctx, async (client) => {
    const progress = { location: vscode.ProgressLocation.Window, title: "promptopt: looking at this machine" };
    const diagnosis = await vscode.window.withProgress(progress, () => execute(client, DOCTOR) as Promise<Diagnosis>);
    const content = report(diagnosis, clientFindings(ctx));
    await vscode.window.showTextDocument(await vscode.workspace.openTextDocument({ content, language: "plaintext" }));
  });
}

function clientFindings(ctx: Ctx): Finding[] {
  const { version } = ctx.extension.extension.packageJSON as { version: string };
  const finding = (name: string, value: string): Finding => ({ name, value, problem: "", hint: "" });
  const server = ctx.found.kind === "found" ? `${ctx.found.candidate.file} (${ctx.found.candidate.origin})` : "none";
  return [finding("VS Code", vscode.version), finding("extension", version), finding("server", server)];
}
