// The server as the window shows it: its state, its crashes.
import assert from "node:assert/strict";
import { writeFileSync } from "node:fs";
import path from "node:path";
import { after, before, test } from "node:test";

import { newHome, startEditor } from "../editor/code-server.mjs";
import { until } from "../editor/until.mjs";
import { openWindow } from "../editor/window.mjs";

let editor;
let window;

before(async () => {
  editor = await startEditor(newHome());
  writeFileSync(path.join(editor.workspace, "note.txt"), "create function\n");
  window = await openWindow(editor.address({ folder: editor.workspace }));
});

const scene = (name, work) => test(name, () => window.watched(work));

after(async () => {
  await window?.close();
  await editor?.stop();
});

scene("the status item says ready, loading, running and ready again", async () => {
  await window.status("ready");
  await window.select("note.txt", "create function");
  await window.page.keyboard.press("Control+Alt+J");
  await window.status("loading");
  await window.shows("Task: create function");
  await window.status("ready");
  await window.page.keyboard.press("Control+Z");
  await window.select("note.txt", "create function");
  await editor.slowed(async () => {
    await window.page.keyboard.press("Control+Alt+J");
    await window.status("running");
  });
  await window.status("ready");
  await window.shows("Task: create function");
});

scene("a click on it opens what the doctor says", async () => {
  await window.page.locator(".statusbar-item", { hasText: "promptopt: ready" }).click();
  await window.shows("VS Code");
  await window.shows("adapter");
});

scene("a server that keeps ending is left alone at the fourth time, and said; its log and another start are one click away", async () => {
  const killed = new Set();
  while (killed.size < 4) {
    await window.status("ready");
    const pid = await until("the server", () => editor.servers().find((each) => !killed.has(each)));
    process.kill(pid, "SIGKILL");
    killed.add(pid);
    await window.page.locator(".statusbar-item", { hasText: "promptopt: ready" }).waitFor({ state: "hidden" });
    await until("its end", () => (editor.servers().includes(pid) ? undefined : true));
  }
  await window.status("error");
  const message = "the language server keeps ending and is not started again";
  await window.answer(message, "Show Logs");
  await window.page.locator("[id='workbench.panel.output']").waitFor(); // empty here: this editor has no native logger
  assert.deepEqual(editor.servers(), []);
  await window.command("promptopt: Restart Language Server");
  await window.status("ready");
  assert.equal(editor.servers().length, 1);
});
