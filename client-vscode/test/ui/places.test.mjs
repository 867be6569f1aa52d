// Where a window may open: several roots, a workspace that is not trusted, a machine without Python and one whose server does not start.
import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { newHome } from "../editor/code-server.mjs";
import { SERVER } from "../editor/places.mjs";
import { MISSING, PROMPT, inEditor, put, rewritten } from "../editor/scenes.mjs";
import { until } from "../editor/until.mjs";

test("of two roots each has its own adapter, and its own rule for previews", async () => {
  const home = newHome();
  const root = (name, adapter, preview) => {
    put(path.join(home, name, ".vscode/settings.json"), JSON.stringify({ "promptopt.adapter": adapter, "promptopt.preview": preview }));
    return put(path.join(home, name, `${name}.txt`), `${PROMPT}\n`);
  };
  const [golden, markdown] = [root("first", "golden", "never"), root("second", "markdown", "always")];
  const both = put(path.join(home, "both.code-workspace"), JSON.stringify({ folders: [{ path: "first" }, { path: "second" }] }));
  const work = async (window) => {
    await window.status("ready");
    assert.match(await rewritten(window, golden, `Task: ${PROMPT}`), /^Act as /);
    await window.select("second.txt", PROMPT);
    await window.page.keyboard.press("Control+Alt+J");
    await window.page.locator(".modified .view-line", { hasText: "## Task" }).waitFor();
    assert.equal(readFileSync(markdown, "utf8"), `${PROMPT}\n`);
    await window.page.locator(".editor-actions [aria-label^='Accept Rewrite']").click();
    await window.page.locator(".tab.active.dirty", { hasText: /^second\.txt$/ }).waitFor();
    assert.match(await window.saved(markdown, `${PROMPT}\n`), /^# Role\n/);
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
    await window.answer("No Python 3.11 or newer with venv was found. Install one from python.org");
    await window.status("error");
  });
});

test("a server that ends before it has answered is said once; another start is one click away", async () => {
  const home = newHome();
  const server = put(path.join(home, "bin/promptopt-lsp"), `#!/bin/sh\n[ "$1" = --version ] && exec '${SERVER}' "$@"\n`, 0o755);
  await inEditor(home, { machine: { "promptopt.server.path": server } }, async (window, editor) => {
    await window.status("error");
    assert.deepEqual(await window.messages(), ["promptopt: the language server did not start. It has ended before it answered."]);
    put(server, `#!/bin/sh\nexec '${SERVER}' "$@"\n`);
    await window.answer("the language server did not start", "Restart");
    await window.status("ready");
    assert.equal(editor.servers().length, 1);
  });
});

test("a server that never answers gives way to another start", async () => {
  const home = newHome();
  const silent = path.join(home, "silent");
  const server = put(
    path.join(home, "bin/promptopt-lsp"),
    `#!/bin/sh\n[ "$1" = --version ] && exec '${SERVER}' "$@"\necho $$ >'${silent}'\nexec sleep 3600\n`,
    0o755,
  );
  await inEditor(home, { machine: { "promptopt.server.path": server } }, async (window, editor) => {
    const pid = await until("the server", () => (existsSync(silent) && Number(readFileSync(silent, "utf8"))) || undefined);
    await window.status("starting");
    put(server, `#!/bin/sh\nexec '${SERVER}' "$@"\n`);
    await window.command("promptopt: Restart Language Server");
    await window.status("ready");
    assert.equal(editor.servers().length, 1);
    assert.throws(() => process.kill(pid, 0), { code: "ESRCH" });
    assert.deepEqual(await window.messages(), []);
  });
});

test("where its user turns that on the history is there in the next window; turned off it is deleted", async () => {
  const home = newHome();
  const note = put(path.join(home, "workspace/note.txt"), `${PROMPT}\n`);
  const stored = path.join(home, "user/User/globalStorage/promptopt.promptopt/history");
  await inEditor(home, { machine: { "promptopt.server.path": SERVER, "promptopt.history.store": true } }, async (window) => {
    await window.status("ready");
    const now = await rewritten(window, note, `Task: ${PROMPT}`);
    await window.page.reload();
    await window.status("ready");
    await window.command("promptopt: Undo a Rewrite…");
    await window.page.locator(".quick-input-list .monaco-list-row .label-name", { hasText: PROMPT }).first().click();
    await window.page.locator(".tab.active.dirty", { hasText: /^note\.txt$/ }).waitFor();
    assert.equal(await window.saved(note, now), `${PROMPT}\n`);
    assert.equal(existsSync(stored), true);
    put(path.join(home, "user/Machine/settings.json"), JSON.stringify({ "promptopt.server.path": SERVER }));
    await until("the history to be deleted", () => !existsSync(stored) || undefined);
  });
});
