// Where a window may open: several roots, a workspace that is not trusted, a machine without the server and one without Python.
import assert from "node:assert/strict";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { newHome, startEditor } from "../editor/code-server.mjs";
import { CLIENT } from "../editor/places.mjs";
import { openWindow } from "../editor/window.mjs";

const PROMPT = "create function";
const MISSING = "the language server is not on this machine";

/** Does `work` in a window of an editor of its own. `query` says what is open, by its default the workspace. */
async function inEditor(home, options, work, query = { folder: path.join(home, "workspace") }) {
  const editor = await startEditor(home, options);
  try {
    const window = await openWindow(editor.address(query));
    try {
      await window.watched(() => work(window, editor));
    } finally {
      await window.close();
    }
  } finally {
    await editor.stop();
  }
}

/** Writes a file and the folders above it. */
function put(file, text, mode = 0o644) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
  return file;
}

/** What is in the file once its prompt was rewritten, with `sign` in it, and saved. */
async function rewritten(window, file, sign) {
  await window.select(path.basename(file), PROMPT);
  await window.page.keyboard.press("Control+Alt+O");
  await window.shows(sign);
  return window.saved(file, `${PROMPT}\n`);
}

test("of two roots each has its own adapter", async () => {
  const home = newHome();
  const root = (name, adapter) => {
    put(path.join(home, name, ".vscode/settings.json"), JSON.stringify({ "promptopt.adapter": adapter }));
    return put(path.join(home, name, `${name}.txt`), `${PROMPT}\n`);
  };
  const [golden, markdown] = [root("first", "golden"), root("second", "markdown")];
  const both = put(path.join(home, "both.code-workspace"), JSON.stringify({ folders: [{ path: "first" }, { path: "second" }] }));
  const work = async (window) => {
    await window.status("ready");
    assert.match(await rewritten(window, golden, `Task: ${PROMPT}`), /^Act as /);
    assert.match(await rewritten(window, markdown, "## Task"), /^# Role\n/);
  };
  await inEditor(home, {}, work, { workspace: both });
});

test("a workspace that is not trusted runs nothing of its own and chooses no adapter; once trusted it does", async () => {
  const home = newHome();
  const workspace = path.join(home, "workspace");
  const trace = path.join(home, "was-run");
  const planted = put(path.join(workspace, "promptopt-lsp"), `#!/bin/sh\ntouch '${trace}'\nexit 1\n`, 0o755);
  put(path.join(workspace, ".venv/bin/promptopt-lsp"), `#!/bin/sh\ntouch '${trace}'\nexit 1\n`, 0o755);
  const settings = { "promptopt.server.path": planted, "promptopt.adapter": "markdown" };
  put(path.join(workspace, ".vscode/settings.json"), JSON.stringify(settings));
  const note = put(path.join(workspace, "note.txt"), `${PROMPT}\n`);
  const options = { trust: false, settings: { "security.workspace.trust.startupPrompt": "never" } };
  await inEditor(home, options, async (window) => {
    await window.status("ready");
    assert.match(await rewritten(window, note, `Task: ${PROMPT}`), /^Act as /);
    assert.equal(existsSync(trace), false);
    await window.command("Workspaces: Manage Workspace Trust");
    await window.page.locator(".workspace-trust-editor .monaco-button", { hasText: /^Trust$/ }).click();
    await window.answer("does not run (setting)", "Open Setting");
    assert.equal(existsSync(trace), true);
  });
});

test("without any Python one message says so, and what to do", async () => {
  const home = newHome();
  // the editor asks the user's shell for its PATH: this one has none to add
  const shell = put(path.join(home, "empty/shell"), '#!/bin/sh\nfor command; do :; done\neval "$command"\n', 0o755);
  const options = { machine: { "promptopt.server.package": "/nowhere" }, env: { PATH: path.dirname(shell), SHELL: shell } };
  await inEditor(home, options, async (window) => {
    await window.status("error");
    await window.answer(MISSING, "Install…");
    await window.confirm("Install the promptopt language server?", "Install");
    await window.answer("No Python 3.11 or newer was found. Install one from python.org and try again.");
    await window.status("error");
  });
});

test("the server is installed by pip where the user wants it, works, and is removed again", async () => {
  const home = newHome();
  const note = put(path.join(home, "workspace/note.txt"), `${PROMPT}\n`);
  await inEditor(home, { machine: { "promptopt.server.package": path.dirname(CLIENT) } }, async (window, editor) => {
    await window.answer(MISSING, "Install…");
    await window.picture("install");
    await window.confirm("Install the promptopt language server?", "Install");
    await window.status("ready");
    assert.match(await rewritten(window, note, `Task: ${PROMPT}`), /^Act as /);
    await window.command("promptopt: Doctor");
    await window.shows("(own environment)");
    await window.command("promptopt: Uninstall Language Server");
    await window.status("error");
    await window.answer(MISSING);
    assert.deepEqual(editor.servers(), []);
  });
});
