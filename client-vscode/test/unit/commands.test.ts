import assert from "node:assert/strict";
import { beforeEach, describe, test } from "node:test";

import { registerCommands } from "../../src/commands";
import type { Ctx } from "../../src/context";
import type { Preview } from "../../src/preview";
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
  const ctx = { running: client, fail: (message: string) => fake.shown.push(message) };
  const preview = { show: (_: unknown, which: unknown) => Promise.resolve(shown.push(which)) };
  registerCommands(ctx as unknown as Ctx, preview as unknown as Preview);
  const [always, never] = [document("file:///a", "", { preview: "always" }), document("file:///b", "", { preview: "never" })];
  fake.editor = { document: always };
  await fake.commands["promptopt.optimizePrompt"]?.();
  assert.deepEqual([shown, fake.shown], [[always], []]);
  fake.editor = { document: never };
  await fake.commands["promptopt.optimizePrompt"]?.();
  assert.deepEqual([shown, fake.shown], [[always], ["promptopt: no preview"]]);
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
