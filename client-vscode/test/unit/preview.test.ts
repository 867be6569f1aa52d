import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import type { Ctx } from "../../src/context";
import { Preview } from "../../src/preview";
import { isCancelled } from "../../src/requests";
import { fake } from "../fake/vscode.cjs";

const CHANGED = "promptopt: the document has changed since the preview was made; nothing was replaced.";
const LATE = "promptopt: the document has changed meanwhile; nothing was replaced.";

interface Offsets {
  readonly start: number;
  readonly end: number;
}

const change = { uri: "file:///a", start: 0, end: 6, text: "AFTER" };
const edit = { change, get: () => [{ range: new vscode.Range(0 as never, 6 as never), newText: "AFTER" }] };
const client = {
  code2ProtocolConverter: { asUri: String, asRange: ({ start, end }: Offsets) => `${String(start)} to ${String(end)}` },
  protocol2CodeConverter: { asWorkspaceEdit: () => Promise.resolve(edit) },
  onProgress: () => ({ dispose: () => undefined }),
  sendRequest: (_type: unknown, { arguments: [params] }: { arguments: [{ range: string }] }, token: vscode.CancellationToken) => {
    asked.push(params.range);
    return answer(token);
  },
};
const atOnce = (): Promise<unknown> => Promise.resolve({ edit: {} });

let answer: (token: vscode.CancellationToken) => Promise<unknown> = atOnce;

let asked: string[] = [];
let announced: unknown[] = [];
let preview: Preview;

/** A document that says "before"; `shown` is called when it is brought to the front. */
function document(shown: () => void = () => undefined) {
  const uri = { path: "/a", toString: () => "file:///a" };
  const offset = (position: number) => position;
  return {
    uri,
    text: "before",
    version: 1,
    isClosed: false,
    isUntitled: false,
    getText() {
      return this.text;
    },
    offsetAt: offset,
    positionAt: offset,
    shown,
  };
}

/** Shows a preview of a document; the address of the rewrite in it. */
async function shown(of: ReturnType<typeof document>): Promise<vscode.Uri> {
  await preview.show(client as unknown as LanguageClient, of as unknown as vscode.TextDocument, new vscode.Range(0 as never, 6 as never));
  const [, , right] = fake.executed.at(-1) ?? [];
  return right as vscode.Uri;
}

beforeEach(() => {
  Object.assign(fake, { shown: [], executed: [], tabs: [], documents: {}, editor: undefined, applied: [], applies: true });
  asked = [];
  announced = [];
  answer = atOnce;
  const rewrites = { announce: (each: unknown) => announced.push(each) };
  const failed = (error: unknown) => (isCancelled(error) ? 0 : fake.shown.push(String(error)));
  preview = new Preview({ rewrites, failed, running: client } as unknown as Ctx);
});

describe("a preview", () => {
  test("shows the rewrite, and applies it once when it is accepted", async () => {
    const right = await shown(document());
    assert.equal(preview.provideTextDocumentContent(right), "AFTER");
    await preview.accept();
    await preview.accept();
    assert.deepEqual([fake.applied, announced, fake.shown], [[change], [edit], []]);
  });

  test("has a tab of its own: in the place of the document's, the document would be closed", async () => {
    await shown(document());
    assert.deepEqual((fake.executed.at(-1)?.[4] as { preview: boolean }).preview, false);
  });

  test("that is discarded while the rewrite is under way cancels it, and says nothing", async () => {
    let cancelled = 0;
    answer = (token) =>
      new Promise((_, reject) => {
        token.onCancellationRequested(() => {
          cancelled++;
          reject(new vscode.CancellationError());
        });
        void preview.discard();
      });
    await shown(document());
    await preview.accept();
    assert.deepEqual([cancelled, fake.tabs, fake.applied, fake.shown], [1, [], [], []]);
  });

  test("gives way to another that is asked for while it opens: one diff, one rewrite", async () => {
    let asked = 0;
    answer = () => {
      asked++;
      return atOnce();
    };
    await Promise.all([shown(document()), shown(document())]);
    assert.deepEqual([asked, fake.tabs.length], [1, 1]);
    await preview.accept();
    assert.deepEqual([fake.applied, fake.tabs], [[change], []]);
  });

  test("of a document that has changed is not applied, and that is said", async () => {
    const changed = document();
    await shown(changed);
    changed.text = "before that";
    await preview.accept();
    assert.deepEqual([fake.applied, announced, fake.shown], [[], [], [CHANGED]]);
  });

  test("of a document that changes while the diff closes is not applied, and that is said", async () => {
    const typed = document(() => (typed.text = "before that"));
    await shown(typed);
    await preview.accept();
    assert.deepEqual([fake.applied, announced, fake.shown], [[], [], [LATE]]);
  });

  test("of a document whose text is back again is applied", async () => {
    const typed = document();
    await shown(typed);
    typed.version += 2;
    await preview.accept();
    assert.deepEqual([fake.applied, fake.shown], [[change], []]);
  });

  test("of a document that was closed meanwhile is applied to it once it is open again", async () => {
    const closed = document();
    await shown(closed);
    closed.isClosed = true;
    const again = document();
    fake.documents = { "file:///a": again };
    await preview.accept();
    assert.deepEqual([fake.applied, announced, fake.shown, fake.editor?.document], [[change], [edit], [], again]);
  });

  test("of a document that was closed and says something else now is not applied, and can be asked for again", async () => {
    const closed = document();
    await shown(closed);
    closed.isClosed = true;
    fake.documents = { "file:///a": Object.assign(document(), { text: "I say: before" }) };
    await preview.accept();
    assert.deepEqual([fake.applied, fake.shown, fake.tabs.length], [[], [CHANGED], 1]);
    await preview.again();
    assert.deepEqual([fake.tabs.length, asked.at(-1)], [1, "7 to 13"]);
  });

  test("of a file that is gone says so, stays, and is not thrown away by asking again", async () => {
    const closed = document();
    const right = await shown(closed);
    closed.isClosed = true;
    await preview.accept();
    await preview.again();
    const gone = "promptopt: the document of the preview is not there any more (there is no file:///a); nothing was replaced.";
    assert.deepEqual([fake.applied, fake.shown, fake.tabs.length], [[], [gone, gone], 1]);
    assert.equal(preview.provideTextDocumentContent(right), "AFTER");
  });

  test("of an untitled document that was closed says so: opened again it would be another one", async () => {
    const closed = document();
    await shown(closed);
    Object.assign(closed, { isClosed: true, isUntitled: true });
    fake.documents = { "file:///a": document() };
    await preview.accept();
    const gone = "promptopt: the document of the preview is not there any more (it was closed without being saved); nothing was replaced.";
    assert.deepEqual([fake.applied, fake.shown, fake.tabs.length], [[], [gone], 1]);
  });

  test("that the editor does not apply is said", async () => {
    fake.applies = false;
    await shown(document());
    await preview.accept();
    assert.deepEqual(fake.shown, [LATE]);
  });

  test("is open as long as one tab shows it: it may be moved or split", async () => {
    const right = await shown(document());
    const tab = () => ({ input: new vscode.TabInputTextDiff(right, right) });
    fake.tabs = [tab()];
    fake.tabsChanged({ closed: [tab()] });
    assert.equal(preview.provideTextDocumentContent(right), "AFTER");
    fake.tabs = [];
    fake.tabsChanged({ closed: [tab()] });
    assert.equal(preview.provideTextDocumentContent(right), "");
    await preview.accept();
    assert.deepEqual(fake.applied, []);
  });
});
