import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import type { ExecuteCommandParams } from "vscode-languageclient/node";

import { registerCommands } from "../../src/commands";
import type { Ctx } from "../../src/context";
import type { Preview } from "../../src/preview";
import { OPTIMIZE, VARIANTS } from "../../src/requests";
import { showHistory } from "../../src/undo";
import { fake } from "../fake/vscode.cjs";

const GONE = "promptopt: that rewrite is not there any more, or has been changed; nothing was replaced.";

function document(uri: string, text: string, settings = {}) {
  return { uri: { scheme: "file", toString: () => uri }, settings, getText: () => text, positionAt: (offset: number) => offset };
}

beforeEach(() => {
  const documents = { "file:///a": document("file:///a", "More text\nAFTER") };
  Object.assign(fake, { settings: {}, shown: [], documents, editor: undefined, picks: "onDidAccept", applied: [], applies: true });
});

test("whether a rewrite is shown first is the rule of the document's own folder", async () => {
  const shown: unknown[] = [];
  const client = { code2ProtocolConverter: { asUri: () => assert.fail("no preview"), asRange: () => undefined } };
  const ctx = { running: client, failed: (error: Error) => fake.shown.push(error.message) };
  const preview = { show: (_: unknown, which: unknown) => Promise.resolve(shown.push(which)) };
  registerCommands(ctx as unknown as Ctx, preview as unknown as Preview);
  const [always, never] = [document("file:///a", "", { preview: "always" }), document("file:///b", "", { preview: "never" })];
  fake.editor = { document: always };
  await fake.commands["promptopt.optimizePrompt"]?.();
  assert.deepEqual([shown, fake.shown], [[always], []]);
  fake.editor = { document: never };
  await fake.commands["promptopt.optimizePrompt"]?.();
  assert.deepEqual([shown, fake.shown], [[always], ["no preview"]]);
});

test("another adapter is chosen among those of the actions' commands, and asked for what the action would have asked for", async () => {
  const request = { uri: "file:///a", version: 1, start: 0, text: "More text", adapter: "", movable: true };
  const action = (title: string, command: string, adapter: string) => ({
    title,
    command: { title, command, arguments: [{ ...request, adapter }] },
  });
  const actions = [action("1", OPTIMIZE, ""), action("2", OPTIMIZE, "xml"), action("3", OPTIMIZE, "concise"), action("4", VARIANTS, "")];
  const asked: unknown[] = [];
  const client = {
    code2ProtocolConverter: { asTextDocumentIdentifier: () => ({ uri: "file:///a" }), asRange: () => undefined },
    onProgress: () => ({ dispose: () => undefined }),
    sendRequest: ({ method }: { method: string }, params: ExecuteCommandParams) => {
      if (method === "textDocument/codeAction") return Promise.resolve(actions);
      asked.push([params.command, params.arguments]);
      return Promise.resolve(null);
    },
  };
  const ctx = { running: client, failed: (error: Error) => assert.fail(error) };
  registerCommands(ctx as unknown as Ctx, {} as unknown as Preview);
  fake.editor = { document: document("file:///a", "More text") };
  await fake.commands["promptopt.optimizePromptAs"]?.();
  assert.deepEqual(fake.offered, ["xml", "concise", "Another adapter…"]);
  assert.deepEqual([asked, fake.shown], [[[OPTIMIZE, [{ ...request, adapter: "xml" }]]], []]);
});

describe("a rewrite of the history", () => {
  const entry = { uri: "file:///a", start: 0, before: "before", after: "AFTER", at: new Date(0) };

  test("is undone where it stands now", async () => {
    await showHistory([entry]);
    assert.deepEqual(fake.applied, [{ uri: "file:///a", start: 10, end: 15, text: "before" }]);
    assert.deepEqual(fake.shown, []);
  });

  test("is selected where it stands now, by its button, and nothing is changed", async () => {
    fake.picks = "onDidTriggerItemButton";
    await showHistory([entry]);
    assert.deepEqual([fake.editor?.selection?.start, fake.editor?.selection?.end], [10, 15]);
    assert.deepEqual([fake.applied, fake.shown], [[], []]);
  });

  test("that is not there any more is said", async () => {
    await showHistory([{ ...entry, after: "gone" }]);
    assert.deepEqual([fake.applied, fake.shown], [[], [GONE]]);
  });

  test("that the editor does not undo is said", async () => {
    fake.applies = false;
    await showHistory([entry]);
    assert.deepEqual(fake.shown, [GONE]);
  });

  test("in a file that is gone is said", async () => {
    await showHistory([{ ...entry, uri: "file:///b" }]);
    assert.deepEqual(fake.shown, ["promptopt: there is no file:///b"]);
  });

  test("is none where there is none", async () => {
    await showHistory([]);
    assert.deepEqual([fake.applied, fake.shown, fake.editor], [[], [], undefined]);
  });
});
