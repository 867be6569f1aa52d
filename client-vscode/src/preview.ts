/** The preview: the rewrite streams into a diff beside the original, and is applied only when the user accepts it. */

import { randomUUID } from "node:crypto";
import * as vscode from "vscode";
import { LanguageClient, ProgressType } from "vscode-languageclient/node";

import type { Ctx } from "./context";
import { PREVIEW, PreviewParams, PreviewProgress, PreviewResult, execute, messageOf } from "./requests";
import { anchored, applied } from "./text";

export const SCHEME = "promptopt-preview";
const STREAM = new ProgressType<PreviewProgress>();
const TRY_AGAIN = "Try Again";

/** One diff: the document, its text and version at the start, and the text that would take its place. */
interface Shown {
  document: vscode.TextDocument;
  readonly start: number;
  readonly end: number;
  readonly version: number;
  readonly original: string;
  readonly left: vscode.Uri;
  readonly right: vscode.Uri;
  readonly stop: vscode.CancellationTokenSource;
  proposed: string;
  edit?: vscode.WorkspaceEdit;
}

/** One preview at a time: a new one takes the place of the one before. */
export class Preview implements vscode.TextDocumentContentProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<vscode.Uri>();
  private readonly subscriptions: vscode.Disposable[];
  private shown: Shown | undefined;
  readonly onDidChange = this.changed.event;

  constructor(private readonly ctx: Ctx) {
    this.subscriptions = [
      vscode.workspace.registerTextDocumentContentProvider(SCHEME, this),
      vscode.window.tabGroups.onDidChangeTabs(({ closed }) => {
        // one that is moved to another group is open there before it is closed here
        const right = this.shown?.right;
        if (right !== undefined && closed.some((tab) => shows(tab, right)) && tabs(right).length === 0) this.forget();
      }),
    ];
  }

  provideTextDocumentContent(uri: vscode.Uri): string {
    const shown = this.shown;
    if (uri.toString() === shown?.left.toString()) return shown.original;
    return uri.toString() === shown?.right.toString() ? shown.proposed : "";
  }

  /** Opens the diff for a range and fills it; an empty range means what stands around it. */
  async show(client: LanguageClient, document: vscode.TextDocument, range: vscode.Range): Promise<void> {
    await this.discard();
    const original = document.getText();
    const [left, right] = ["original", "rewrite"].map((side) =>
      vscode.Uri.from({ scheme: SCHEME, path: document.uri.path, query: `${side}-${randomUUID()}` }),
    ) as [vscode.Uri, vscode.Uri];
    const stop = new vscode.CancellationTokenSource();
    const [start, end] = [document.offsetAt(range.start), document.offsetAt(range.end)];
    const shown: Shown = { document, start, end, version: document.version, original, left, right, stop, proposed: original };
    this.shown = shown;
    const name = document.uri.path.split("/").pop() ?? "";
    // a tab of its own: in the place of the document's own, the document would be closed
    const options = { preview: false, selection: new vscode.Range(range.start, range.start) };
    await vscode.commands.executeCommand("vscode.diff", left, right, `${name}: rewrite`, options);
    if (this.shown !== shown) {
      await vscode.window.tabGroups.close(tabs(right)); // discarded while it opened, or another has taken its place
      return;
    }
    await this.fill(client, shown);
  }

  /** Applies the rewrite, as one step to undo; where the document has changed nothing is applied, and the preview stays. */
  async accept(): Promise<void> {
    const shown = this.shown;
    if (shown?.edit === undefined || !(await this.reopened(shown))) return;
    if (isStale(shown)) {
      const message = "promptopt: the document has changed since the preview was made; nothing was replaced.";
      void vscode.window.showWarningMessage(message, TRY_AGAIN).then((picked) => {
        if (picked === TRY_AGAIN) void this.again();
      });
      return;
    }
    await this.discard();
    await vscode.window.showTextDocument(shown.document);
    // what is typed while the diff closes is more than the edit knows of
    if (!isStale(shown)) this.ctx.rewrites.announce(shown.edit);
    const applied = !isStale(shown) && (await vscode.workspace.applyEdit(shown.edit));
    if (!applied) void vscode.window.showWarningMessage("promptopt: the document has changed meanwhile; nothing was replaced.");
  }

  /** Closes the diff; a rewrite under way is stopped. The document stays as it is. */
  async discard(): Promise<void> {
    const right = this.shown?.right;
    this.forget();
    if (right !== undefined) await vscode.window.tabGroups.close(tabs(right));
  }

  /** Asks once more, for the same words where they stand now. */
  async again(): Promise<void> {
    const shown = this.shown;
    const client = this.ctx.running;
    if (shown === undefined) return;
    if (client === undefined) {
      this.ctx.explain();
      return;
    }
    if (!(await this.reopened(shown))) return;
    const { document, start, end } = shown;
    const words = shown.original.slice(start, end);
    const at = isStale(shown) ? anchored(document.getText(), words, start) : start;
    if (at < 0) {
      void vscode.window.showWarningMessage("promptopt: the selected text is not there any more. Select what you want to ask.");
      return;
    }
    await this.show(client, document, new vscode.Range(document.positionAt(at), document.positionAt(at + words.length)));
  }

  dispose(): void {
    this.forget();
    this.changed.dispose();
    vscode.Disposable.from(...this.subscriptions).dispose();
  }

  /** Opens the document once more where it was closed meanwhile. False where the preview has ended by then, or where it cannot be, which is said. */
  private async reopened(shown: Shown): Promise<boolean> {
    const { document } = shown;
    if (!document.isClosed) return true;
    try {
      if (document.isUntitled) throw new Error("it was closed without being saved");
      shown.document = await vscode.workspace.openTextDocument(document.uri);
    } catch (error) {
      const message = `promptopt: the document of the preview is not there any more (${messageOf(error)}); nothing was replaced.`;
      void vscode.window.showWarningMessage(message);
      return false;
    }
    return this.shown === shown;
  }

  /** Asks the server, and shows what comes as it comes. */
  private async fill(client: LanguageClient, shown: Shown): Promise<void> {
    const { document, start, end, version, original } = shown;
    const token = randomUUID();
    const range = new vscode.Range(document.positionAt(start), document.positionAt(end));
    const params: PreviewParams = {
      textDocument: { uri: client.code2ProtocolConverter.asUri(document.uri), version },
      range: client.code2ProtocolConverter.asRange(range),
      token,
    };
    const stream = client.onProgress(STREAM, token, ({ text }) => {
      this.propose(shown, applied(original, [{ start, end, text }]));
    });
    try {
      const result = (await execute(client, PREVIEW, params, shown.stop.token)) as PreviewResult;
      const edit = await client.protocol2CodeConverter.asWorkspaceEdit(result.edit);
      const edits = edit.get(document.uri).map((each) => ({
        start: document.offsetAt(each.range.start),
        end: document.offsetAt(each.range.end),
        text: each.newText,
      }));
      stream.dispose();
      this.propose(shown, applied(original, edits));
      shown.edit = edit;
    } catch (error) {
      if (this.shown === shown) await this.discard();
      this.ctx.failed(error);
    } finally {
      stream.dispose();
    }
  }

  private propose(shown: Shown, text: string): void {
    if (this.shown !== shown) return;
    shown.proposed = text;
    this.changed.fire(shown.right);
  }

  private forget(): void {
    this.shown?.stop.cancel();
    this.shown?.stop.dispose();
    this.shown = undefined;
  }
}

/** Whether the document says something else by now than when the preview was made. */
function isStale({ document, original }: Shown): boolean {
  return document.isClosed || document.getText() !== original;
}

/** The tabs that show the diff whose right side is `uri`. */
function tabs(uri: vscode.Uri): vscode.Tab[] {
  return vscode.window.tabGroups.all.flatMap((group) => group.tabs).filter((tab) => shows(tab, uri));
}

function shows(tab: vscode.Tab, uri: vscode.Uri): boolean {
  return tab.input instanceof vscode.TabInputTextDiff && tab.input.modified.toString() === uri.toString();
}
