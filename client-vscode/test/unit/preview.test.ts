import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import * as vscode from "vscode";
import type { LanguageClient } from "vscode-languageclient/node";

import type { Ctx } from "../../src/context";
import { Preview } from "../../src/preview";
import { fake } from "../fake/vscode.cjs";

const CHANGED = "promptopt: the document has changed since the preview was made; nothing was replaced.";
const LATE = "promptopt: the document has changed meanwhile; nothing was replaced.";

const change = { uri: "file:///a", start: 0, end: 6, text: "AFTER" };
const edit = { change, get: () => [{ range: new vscode.Range(0 as never, 6 as never), newText: "AFTER" }] };
const client = {
  code2ProtocolConverter: { asUri: String, asRange: String },
  protocol2CodeConverter: { asWorkspaceEdit: () => Promise.resolve(edit) },
  onProgress: () => ({ dispose: () => undefined }),
  sendRequest: () => Promise.resolve({ edit: {} }),
};

let announced: unknown[] = [];
let preview: Preview;

/** A document that says "before"; `shown` is called when it is brought to the front. */
function document(shown: () => void = () => undefined) {
  const uri = { path: "/a", toString: () => "file:///a" };
  const offset = (position: number) => position;
  return { uri, version: 1, isClosed: false, getText: () => "before", offsetAt: offset, positionAt: offset, shown };
}

/** Shows a preview of a document; the address of the rewrite in it. */
async function shown(of: ReturnType<typeof document>): Promise<vscode.Uri> {
  await preview.show(client as unknown as LanguageClient, of as unknown as vscode.TextDocument, new vscode.Range(0 as never, 6 as never));
  const [, , right] = fake.executed.at(-1) ?? [];
  return right as vscode.Uri;
}

beforeEach(() => {
  Object.assign(fake, { shown: [], executed: [], tabs: [], applied: [], applies: true });
  announced = [];
  preview = new Preview({ rewrites: { announce: (each: unknown) => announced.push(each) } } as unknown as Ctx);
});

describe("a preview", () => {
  test("shows the rewrite, and applies it once when it is accepted", async () => {
    const right = await shown(document());
    assert.equal(preview.provideTextDocumentContent(right), "AFTER");
    await preview.accept();
    await preview.accept();
    assert.deepEqual([fake.applied, announced, fake.shown], [[change], [edit], []]);
  });

  test("of a document that has changed is not applied, and that is said", async () => {
    const changed = document();
    await shown(changed);
    changed.version++;
    await preview.accept();
    assert.deepEqual([fake.applied, announced, fake.shown], [[], [], [CHANGED]]);
  });

  test("of a document that changes while the diff closes is not applied, and that is said", async () => {
    const typed = document(() => typed.version++);
    await shown(typed);
    await preview.accept();
    assert.deepEqual([fake.applied, announced, fake.shown], [[], [], [LATE]]);
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
