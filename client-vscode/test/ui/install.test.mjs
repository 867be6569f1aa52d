// How the extension and its server come onto a machine, and how they leave it.
import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { newHome } from "../editor/code-server.mjs";
import { CLIENT, SERVER, VSIX } from "../editor/places.mjs";
import { MISSING, PROMPT, inEditor, put, rewritten } from "../editor/scenes.mjs";
import { until } from "../editor/until.mjs";

const { name, publisher, version } = JSON.parse(readFileSync(path.join(CLIENT, "package.json"), "utf8"));
const INSTALL_MS = 15 * 60_000;
const EXTENSION = `${publisher}.${name}@${version}`;

test("the package is installed by the command line", async () => {
  await inEditor(newHome(), {}, async (window, editor) => {
    assert.deepEqual(editor.extensions(), [EXTENSION]);
    await window.status("ready");
  });
});

test("the package is installed by the button of the extensions view, and works without a reload", async () => {
  const home = newHome();
  const note = put(path.join(home, "workspace/note.txt"), `${PROMPT}\n`);
  await inEditor(home, { install: false }, async (window, editor) => {
    assert.deepEqual(editor.extensions(), []);
    await window.open("Control+Shift+X", ".extensions-viewlet");
    await window.pick(".composite.title [aria-label^='Views and More Actions']", "Install from VSIX...");
    await window.enter(VSIX, "Install");
    await window.status("ready");
    assert.deepEqual(editor.extensions(), [EXTENSION]);
    assert.match(await rewritten(window, note, `Task: ${PROMPT}`), /^Act as /);
  });
});

test("the server is installed by pip by the button of the offer, works, is updated, and is removed again", async () => {
  const home = newHome();
  const note = put(path.join(home, "workspace/note.txt"), `${PROMPT}\n`);
  execFileSync(path.join(path.dirname(SERVER), "pip"), ["wheel", "--quiet", "--no-deps", "--wheel-dir", home, path.dirname(CLIENT)]);
  const wheel = readdirSync(home).find((file) => file.endsWith(".whl"));
  await inEditor(home, { machine: { "promptopt.server.package": path.join(home, wheel) } }, async (window, editor) => {
    await window.answer(MISSING, "Install…");
    await window.dialog.waitFor();
    await window.picture("install");
    await window.confirm("Install the promptopt language server?", "Install");
    await window.status("ready", INSTALL_MS);
    assert.match(await rewritten(window, note, `Task: ${PROMPT}`), /^Act as /);
    await window.command("promptopt: Doctor");
    await window.shows("(own environment)");
    const [before] = editor.servers();
    await window.command("promptopt: Install or Update Language Server");
    await window.confirm("Update the promptopt language server?", "Update");
    await until("another server", () => editor.servers().find((pid) => pid !== before), INSTALL_MS);
    await window.status("ready");
    assert.equal(editor.servers().length, 1);
    await window.command("promptopt: Uninstall Language Server");
    await window.status("error");
    await window.answer(MISSING);
    assert.deepEqual(editor.servers(), []);
  });
});
