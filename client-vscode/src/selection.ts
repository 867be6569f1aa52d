/** What is selected once a rewrite is in its place: VS Code applies it in the pieces that differ, and would leave some of them selected. */

import * as vscode from "vscode";

/** A rewrite that is about to be applied in an editor. */
interface Expected {
  readonly editor: vscode.TextEditor;
  readonly start: number;
  readonly text: string;
  /** Whether nothing was selected; a cursor stays a cursor. */
  readonly cursor: boolean;
}

/** Waits for the rewrite that was announced last, and selects it, or brings the cursor to its end. */
export class Selections implements vscode.Disposable {
  private expected: Expected | undefined;
  private readonly listening = vscode.workspace.onDidChangeTextDocument(({ document, contentChanges }) => {
    // without changes the event says that the document is dirty now
    if (contentChanges.length > 0 && document === this.expected?.editor.document) this.changed(this.expected);
  });

  /** Announces an edit. Where the user has gone elsewhere in the document meanwhile, the selection is left alone. */
  expect(document: vscode.TextDocument, edit: vscode.TextEdit): void {
    this.expected = undefined;
    const editors = [vscode.window.activeTextEditor, ...vscode.window.visibleTextEditors];
    const editor = editors.find((each) => each?.document === document);
    if (editor === undefined || edit.range.intersection(editor.selection) === undefined) return;
    this.expected = { editor, start: document.offsetAt(edit.range.start), text: edit.newText, cursor: editor.selection.isEmpty };
  }

  dispose(): void {
    this.listening.dispose();
  }

  /** The change after the announcement is the rewrite, or the user was faster and it will be refused. */
  private changed({ editor, start, text, cursor }: Expected): void {
    this.expected = undefined;
    const { document } = editor;
    const [from, to] = [document.positionAt(start), document.positionAt(start + text.length)];
    if (document.getText(new vscode.Range(from, to)) === text) editor.selection = new vscode.Selection(cursor ? to : from, to);
  }
}
