// A user selects, rewrites, looks and undoes, in the window, with the real server and the embedded model.
import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { newHome, startEditor } from "../editor/code-server.mjs";
import { until } from "../editor/until.mjs";
import { openWindow } from "../editor/window.mjs";

const PROMPT = "create function";
// all are there when the window opens: the quick input may not find a file that was just written
const FILES = {
  "first.txt": "create function\n",
  "note.txt": "Notes\r\n\r\ncreate function\r\n\r\nThe end",
  "code.py": "def area(radius):\n    # create function\n    return 3 * radius\n",
  "request.json": '{\n  "prompt": "create function",\n  "count": 1\n}\n',
  "emoji.txt": "😀👩‍👩‍👧 create function 😀\n",
  "accepted.md": "Please:\n\ncreate function\n",
  "discarded.md": "create function\n",
  "chosen.txt": "create function\n",
  "variant.txt": "create function\n",
  "cancelled.txt": "create function\n",
  "killed.txt": "create function\n",
};
let editor;
let window;

before(async () => {
  editor = await startEditor(newHome());
  for (const [name, text] of Object.entries(FILES)) writeFileSync(path.join(editor.workspace, name), text);
  window = await openWindow(editor.address({ folder: editor.workspace }));
  await window.watched(async () => {
    await window.status("ready");
    await window.page.keyboard.press("Control+B"); // room for both sides of a diff
    const [file, text] = await opened("first.txt"); // has the model prepared and loaded
    await window.page.keyboard.press("Control+Alt+J");
    await rewritten(file, text);
  });
});

const scene = (name, work) => test(name, () => window.watched(work));

after(async () => {
  await window?.close();
  await editor?.stop();
});

/** Opens a file and selects the prompt in it; where it is, and what is in it. */
async function opened(name) {
  await window.select(name, PROMPT);
  return [path.join(editor.workspace, name), FILES[name]];
}

/** What is in the file once the rewrite is there and saved. */
async function rewritten(file, text) {
  await window.shows(`Task: ${PROMPT}`);
  return window.saved(file, text);
}

async function undoRestores(file, text, now) {
  await window.page.keyboard.press("Control+Z");
  assert.equal(await window.saved(file, now), text);
}

scene("plain text, by the key: the selection is replaced and nothing else, and undo restores the bytes", async () => {
  const [file, text] = await opened("note.txt");
  await window.page.keyboard.press("Control+Alt+J");
  const now = await rewritten(file, text);
  assert.match(now, /^Notes\r\n\r\nAct as [^]+\r\n\r\nThe end$/);
  assert.doesNotMatch(now, /[^\r]\n/);
  await undoRestores(file, text, now);
});

scene("a Python comment, by the context menu: it stays a comment", async () => {
  const [file, text] = await opened("code.py");
  await window.page.locator(".view-line", { hasText: PROMPT }).click({ button: "right", position: { x: 90, y: 8 } });
  const item = window.page.locator(".monaco-menu .action-item", { hasText: /^Optimize Prompt/ });
  await item.waitFor();
  await window.picture("menu");
  await item.click();
  const now = await rewritten(file, text);
  await window.picture("comment");
  const lines = now.split("\n");
  assert.deepEqual([lines[0], ...lines.slice(-2)], ["def area(radius):", "    return 3 * radius", ""]);
  const comment = lines.slice(1, -2);
  assert.ok(comment.length > 5, now);
  assert.deepEqual(
    comment.filter((line) => !line.startsWith("    #")),
    [],
  );
  await undoRestores(file, text, now);
});

scene("a JSON string, by the light bulb: it stays one string", async () => {
  const [file, text] = await opened("request.json");
  await window.page.keyboard.press("Control+.");
  const action = window.page.locator(".action-widget").getByText("Optimize prompt", { exact: true });
  await action.waitFor();
  await window.picture("bulb");
  await action.click();
  const now = await rewritten(file, text);
  const { prompt, ...others } = JSON.parse(now);
  assert.match(prompt, /^Act as [^]+\n\nTask: create function\n\n[^]+Goal: /);
  assert.deepEqual(others, { count: 1 });
  assert.equal(now.replace(JSON.stringify(prompt), `"${PROMPT}"`), text);
  await undoRestores(file, text, now);
});

scene("emoji before the selection, by the palette: they move nothing", async () => {
  const [file, text] = await opened("emoji.txt");
  await window.command("promptopt: Optimize Prompt");
  const now = await rewritten(file, text);
  assert.match(now, /^😀👩‍👩‍👧 Act as [^]+Goal: .+ 😀\n$/u);
  await undoRestores(file, text, now);
});

scene("a preview touches nothing until its button accepts it, and undo restores the bytes", async () => {
  const [file, text] = await opened("accepted.md");
  await window.command("promptopt: Preview Rewrite");
  await window.page.locator(".modified .view-line", { hasText: "Goal:" }).waitFor();
  await window.picture("preview");
  assert.equal(readFileSync(file, "utf8"), text);
  await window.page.locator(".editor-actions [aria-label^='Accept Rewrite']").click();
  await window.page.locator(".tab.active.dirty", { hasText: /^accepted\.md$/ }).waitFor();
  const now = await window.saved(file, text);
  assert.match(now, /^Please:\n\nAct as [^]+\n\nTask: create function\n\n[^]+\n$/);
  await undoRestores(file, text, now);
});

scene("another adapter is chosen from a list", async () => {
  const [file, text] = await opened("chosen.txt");
  await window.command("promptopt: Optimize Prompt as…");
  await window.page.locator(".quick-input-list .monaco-list-row .label-name", { hasText: /^markdown$/ }).click();
  await window.shows("## Task");
  const now = await window.saved(file, text);
  assert.match(now, /^# Role\n[^]+create function[^]+\n$/);
  await undoRestores(file, text, now);
});

scene("of three variants the one that is picked takes the place of the selection", async () => {
  const [file, text] = await opened("variant.txt");
  await window.command("promptopt: Show Variants");
  const buttons = window.notifications.filter({ hasText: "Which rewrite?" }).locator(".monaco-button");
  await buttons.nth(2).waitFor();
  const titles = (await buttons.allTextContents()).map((title) => title.trim());
  assert.deepEqual(
    titles.map((title) => title.slice(0, 3)),
    ["1. ", "2. ", "3. "],
  );
  await window.answer("Which rewrite?", titles[1]);
  const now = await rewritten(file, text);
  assert.ok(now.split(/\s+/).join(" ").startsWith(titles[1].slice(3, -1)), `${titles[1]}: ${now}`);
  await undoRestores(file, text, now);
});

scene("a preview is asked for again by its button, and Escape discards it: the document is as it was", async () => {
  await opened("discarded.md");
  await window.command("promptopt: Preview Rewrite");
  const goal = window.page.locator(".modified .view-line", { hasText: "Goal:" });
  await goal.waitFor();
  await editor.slowed(async () => {
    await window.page.locator(".editor-actions [aria-label^='Try Again']").click();
    await goal.waitFor({ state: "hidden" });
  });
  await goal.waitFor();
  await window.page.keyboard.press("Escape");
  await window.page.locator(".tab", { hasText: "discarded.md: rewrite" }).waitFor({ state: "detached" });
  await untouched("discarded.md");
});

scene("a rewrite that is cancelled in its notification leaves the document as it was", async () => {
  await opened("cancelled.txt");
  await editor.slowed(async ({ hold, release }) => {
    const progress = await started();
    hold(); // a busy machine may take longer for a click than for a rewrite
    await window.picture("progress");
    await progress.locator(".monaco-button", { hasText: "Cancel" }).click();
    release();
    await progress.waitFor({ state: "detached" });
  });
  await window.status("ready");
  await untouched("cancelled.txt");
});

scene("a server that is killed during a rewrite leaves the document as it was, says so, and comes back", async () => {
  const [file, text] = await opened("killed.txt");
  const [old] = editor.servers();
  await editor.slowed(async ({ hold }) => {
    const progress = await started();
    hold(); // a busy machine may take longer for a kill than for a rewrite
    assert.ok(await progress.isVisible(), "the rewrite was done before it could be held");
    process.kill(old, "SIGKILL");
  });
  await window.answer("The language server has ended meanwhile; nothing was replaced.");
  await until("another server", () => editor.servers().find((pid) => pid !== old));
  await window.status("ready");
  await untouched("killed.txt");
  await window.page.keyboard.press("Control+Alt+J");
  assert.match(await rewritten(file, text), /Task: create function/);
});

/** Begins a rewrite; the notification of its progress once it says how far it is. */
async function started() {
  await window.page.keyboard.press("Control+Alt+J");
  const progress = window.notifications.filter({ hasText: /Optimize prompt.*\d+ pieces/ });
  await progress.waitFor();
  return progress;
}

/** The active editor is that of the file, and has nothing to save. */
async function untouched(name) {
  await window.page.locator(".tab.active:not(.dirty)", { hasText: name }).waitFor();
  assert.equal(await window.page.locator(".view-line", { hasText: "Task:" }).count(), 0);
}
