/** Notices a rewrite that was announced once it is in its place; then selects it: VS Code applies it in pieces, and would leave some selected. */

import * as vscode from "vscode";

import { Announced, Entry } from "./history";

/** `cursor`: whether nothing was selected in the editor, which has none where its user has gone elsewhere in the document. */
interface Rewrite extends Entry {
  readonly editor: vscode.TextEditor | undefined;
  readonly cursor: boolean;
}

/** The rewrites of this window, whoever applies them. */
export class Rewrites implements vscode.Disposable {
  private readonly announced = new Announced<Rewrite>();
  private readonly listening = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
    // without changes the event says that the document is dirty now
    const rewrite = contentChanges.length > 0 ? this.announced.changed(document, () => document.getText()) : undefined;
    if (rewrite !== undefined) this.noticed(document, rewrite);
  });

  /** `made` gets each rewrite that is in its place. */
  constructor(private readonly made: (entry: Entry) => void) {}

  /** An edit is about to be applied; what is more than one place of one open document is no rewrite. */
  announce(edit: vscode.WorkspaceEdit): void {
    for (const [uri, [only, ...others]] of edit.entries()) {
      const document = vscode.workspace.textDocuments.find((each) => each.uri.toString() === uri.toString());
      if (document === undefined || only === undefined || others.length > 0) continue;
      const editor = [vscode.window.activeTextEditor, ...vscode.window.visibleTextEditors].find((each) => each?.document === document);
      this.announced.add(document, {
        uri: uri.toString(),
        start: document.offsetAt(only.range.start),
        before: document.getText(only.range),
        after: only.newText,
        at: new Date(),
        editor: editor !== undefined && only.range.intersection(editor.selection) !== undefined ? editor : undefined,
        cursor: editor?.selection.isEmpty ?? false,
      });
    }
  }

  dispose(): void {
    this.listening.dispose();
  }

  private noticed(document: vscode.TextDocument, { editor, cursor, ...entry }: Rewrite): void {
    this.made(entry);
    const [from, to] = [document.positionAt(entry.start), document.positionAt(entry.start + entry.after.length)];
    if (editor !== undefined) editor.selection = new vscode.Selection(cursor ? to : from, to);
  }
}
