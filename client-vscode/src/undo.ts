/** The list of the last rewrites: each can be undone, or looked at where it stands. */

import * as vscode from "vscode";

import { Entry, undoing } from "./history";
import { messageOf } from "./requests";
import { headline } from "./text";

const WIDTH = 70;
const OPEN: vscode.QuickInputButton = { iconPath: new vscode.ThemeIcon("go-to-file"), tooltip: "Show Where It Stands" };
const GONE = "promptopt: that rewrite is not there any more, or has been changed; nothing was replaced.";

interface Item extends vscode.QuickPickItem {
  readonly entry: Entry;
}

type Work = (entry: Entry) => Promise<void>;

/** Lets the user pick a rewrite, and undoes it; its button opens it instead. */
export async function showHistory(entries: readonly Entry[]): Promise<void> {
  const items = entries.map((entry) => ({
    label: headline(entry.before, WIDTH),
    description: `${vscode.Uri.parse(entry.uri).path.split("/").pop() ?? ""}, ${entry.at.toLocaleString()}`,
    detail: headline(entry.after, WIDTH),
    buttons: [OPEN],
    entry,
  }));
  const picked = await pick(items);
  await picked?.work(picked.item.entry);
}

function pick(items: readonly Item[]): Promise<{ item: Item; work: Work } | undefined> {
  const picker = vscode.window.createQuickPick<Item>();
  picker.items = items;
  picker.placeholder = items.length > 0 ? "Which rewrite is to be undone?" : "No rewrite was made in this window yet.";
  picker.matchOnDetail = true;
  return new Promise((resolve) => {
    const done = (item: Item | undefined, work: Work): void => {
      resolve(item && { item, work });
      picker.hide();
    };
    picker.onDidAccept(() => {
      done(picker.selectedItems[0], undo);
    });
    picker.onDidTriggerItemButton(({ item }) => {
      done(item, reopen);
    });
    picker.onDidHide(() => {
      resolve(undefined);
      picker.dispose();
    });
    picker.show();
  });
}

/** Puts back what stood there before the rewrite. */
async function undo(entry: Entry): Promise<void> {
  const place = await found(entry);
  if (place === undefined) return;
  const { editor, range } = place;
  const change = new vscode.WorkspaceEdit();
  change.replace(editor.document.uri, range, entry.before);
  if (await vscode.workspace.applyEdit(change)) editor.revealRange(range.with({ end: range.start }));
  else void vscode.window.showWarningMessage(GONE);
}

/** Selects the rewrite where it stands now. */
async function reopen(entry: Entry): Promise<void> {
  const place = await found(entry);
  if (place === undefined) return;
  place.editor.selection = new vscode.Selection(place.range.start, place.range.end);
  place.editor.revealRange(place.range);
}

/** Opens the document of a rewrite, and finds where in it that stands now; says where either cannot be done. */
async function found(entry: Entry): Promise<{ editor: vscode.TextEditor; range: vscode.Range } | undefined> {
  try {
    const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(vscode.Uri.parse(entry.uri)));
    const { document } = editor;
    const edit = undoing(entry, document.getText());
    if (edit !== undefined) return { editor, range: new vscode.Range(document.positionAt(edit.start), document.positionAt(edit.end)) };
    void vscode.window.showWarningMessage(GONE);
  } catch (error) {
    void vscode.window.showWarningMessage(`promptopt: ${messageOf(error)}`);
  }
  return undefined;
}
