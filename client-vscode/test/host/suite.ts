/** Runs inside VS Code's extension host, with the installed extension and the real server. */

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import * as vscode from "vscode";

const PATIENCE_MS = 180_000; // as in the window: a busy machine starts a server slowly

/** What `probe` gives once it gives something; fails after three minutes. */
async function until<T>(what: string, probe: () => T | undefined | Promise<T | undefined>): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const value = await probe();
    if (value !== undefined) return value;
  }
  throw new Error(`waited in vain for ${what}`);
}

/** Opens a file of the workspace with `text`, and selects `words` in it. */
async function opened(name: string, text: string, words: string): Promise<vscode.TextEditor> {
  const folder = vscode.workspace.workspaceFolders?.[0]?.uri;
  assert.ok(folder);
  const uri = vscode.Uri.file(path.join(folder.fsPath, name));
  await vscode.workspace.fs.writeFile(uri, new TextEncoder().encode(text));
  const editor = await vscode.window.showTextDocument(await vscode.workspace.openTextDocument(uri));
  const start = editor.document.getText().indexOf(words);
  const range = new vscode.Selection(editor.document.positionAt(start), editor.document.positionAt(start + words.length));
  await until("the selection", () => {
    editor.selection = range;
    return editor.selection.isEqual(range) || undefined;
  });
  return editor;
}

/** What applies the rewrite that the light bulb offers for the selection. */
async function offered(editor: vscode.TextEditor): Promise<() => Promise<void>> {
  const actions = await vscode.commands.executeCommand<vscode.CodeAction[]>(
    "vscode.executeCodeActionProvider",
    editor.document.uri,
    editor.selection,
    vscode.CodeActionKind.RefactorRewrite.value,
    1,
  );
  const action = actions.find(({ title }) => title === "Optimize prompt");
  assert.ok(action?.command);
  assert.equal(action.edit, undefined);
  const { command, arguments: given = [] } = action.command as { command: string; arguments?: unknown[] };
  return async () => {
    await vscode.commands.executeCommand(command, ...given);
  };
}

async function optimized(editor: vscode.TextEditor): Promise<string> {
  const before = editor.document.getText();
  await vscode.commands.executeCommand("promptopt.optimizePrompt");
  return until("the rewrite", () => (editor.document.getText() === before ? undefined : editor.document.getText()));
}

async function undone(editor: vscode.TextEditor, before: string): Promise<void> {
  await vscode.commands.executeCommand("undo");
  await until("the undo", () => editor.document.getText() === before || undefined);
}

function hasCommand(name: string): Promise<true | undefined> {
  return Promise.resolve(vscode.commands.getCommands(true)).then((names) => names.includes(name) || undefined);
}

/** Waits until `words` are what is selected; where something else stays selected, says what. */
async function selected(editor: vscode.TextEditor, words: string): Promise<void> {
  const now = () => editor.document.getText(editor.selection);
  const noted = await until("the selection", () => now() === words || undefined).catch(() => false);
  assert.ok(noted, `${JSON.stringify(now())} is selected, not ${JSON.stringify(words)}`);
}

/** The processes of the server, children of this one. */
function serverProcesses(): number[] {
  const children = execFileSync("ps", ["-o", "pid=,args=", "--ppid", String(process.pid)], { encoding: "utf8" }).split("\n");
  return children.filter((child) => /promptopt[.-]lsp.* --stdio/.test(child)).map((line) => Number.parseInt(line, 10));
}

function serverProcess(): number | undefined {
  return serverProcesses()[0];
}

/** The processor time that a process has used, in hundredths of a second. */
function used(pid: number): number {
  const fields =
    readFileSync(`/proc/${String(pid)}/stat`, "utf8")
      .split(") ")
      .at(-1)
      ?.split(" ") ?? [];
  return Number(fields[11]) + Number(fields[12]);
}

/** Lets a process that is stopped do a fiftieth of a second's work, a moment at a time: a small part of a rewrite. It is stopped again then. */
async function begun(pid: number): Promise<"begun"> {
  const before = used(pid);
  await until("the process to work", () => {
    process.kill(pid, "SIGCONT");
    for (const end = performance.now() + 2; performance.now() < end;); // a timer would come late on a busy machine
    process.kill(pid, "SIGSTOP");
    return used(pid) >= before + 2 || undefined;
  });
  return "begun";
}

function tabs(): vscode.Tab[] {
  return vscode.window.tabGroups.all.flatMap((group) => group.tabs);
}

/** The diffs that are open. */
function diffs(): vscode.Tab[] {
  return tabs().filter((tab) => tab.input instanceof vscode.TabInputTextDiff);
}

/** The tabs of a file. */
function tabsOf(uri: vscode.Uri): vscode.Tab[] {
  return tabs().filter(({ input }) => input instanceof vscode.TabInputText && input.uri.toString() === uri.toString());
}

/** The right side of the diff, once it has a whole rewrite. */
function previewed(): Promise<vscode.TextDocument> {
  return until("the rewrite in the diff", () => {
    const right = diffs().map(({ input }) => (input as vscode.TabInputTextDiff).modified.toString())[0];
    return vscode.workspace.textDocuments.find((each) => each.uri.toString() === right && each.getText().includes("Goal:"));
  });
}

const tests: Record<string, () => Promise<void>> = {
  "the extension starts the server": async () => {
    const extension = await until("the extension", () => vscode.extensions.getExtension("promptopt.promptopt"));
    await extension.activate();
    await until("the server", () => hasCommand("promptopt.optimize"));
  },

  "its key is no key of VS Code's own": async () => {
    const bound = await vscode.workspace.openTextDocument(vscode.Uri.parse("vscode://defaultsettings/keybindings.json"));
    const entries = [...bound.getText().matchAll(/"key": "(.+?)",\s+"command": "(.+?)"/g)];
    const at = (key: string) => new Set(entries.filter((entry) => entry[1] === key).map((entry) => entry[2]));
    assert.ok(at("ctrl+z").has("undo"));
    assert.deepEqual(at("ctrl+alt+j"), new Set(["promptopt.optimizePrompt", "promptopt.tryPreviewAgain"]));
  },

  "plain text is replaced, and one undo restores it": async () => {
    const before = "Notes\n\ncreate function\n\nThe end\n";
    const editor = await opened("note.txt", before, "create function");
    const after = await optimized(editor);
    assert.ok(after.startsWith("Notes\n\nAct as "), after);
    assert.ok(after.endsWith("\n\nThe end\n"), after);
    assert.ok(after.includes("Task: create function"), after);
    await undone(editor, before);
  },

  "a Python comment stays a comment": async () => {
    const before = "x = 1\n# create function\ny = 2\n";
    const editor = await opened("code.py", before, "create function");
    const lines = (await optimized(editor)).split("\n");
    assert.deepEqual([lines[0], ...lines.slice(-2)], ["x = 1", "y = 2", ""]);
    assert.deepEqual(
      lines.slice(1, -2).filter((line) => !line.startsWith("#")),
      [],
    );
    await undone(editor, before);
  },

  "an emoji before the selection moves nothing": async () => {
    const before = "😀😀 create function\n";
    const editor = await opened("emoji.txt", before, "create function");
    const after = await optimized(editor);
    assert.ok(after.startsWith("😀😀 Act as "), after);
    await undone(editor, before);
  },

  "the light bulb offers the rewrite, and applying it is one undo": async () => {
    const before = "create function\n";
    const editor = await opened("bulb.txt", before, "create function");
    const apply = await offered(editor);
    await apply();
    const after = editor.document.getText();
    assert.ok(after.includes("Task: create function"), after);
    await selected(editor, after.trimEnd());
    await undone(editor, before);
  },

  "the rewrite of the light bulb finds its place in a document that changes meanwhile": async () => {
    const editor = await opened("late.txt", "create function\n", "create function");
    const apply = await offered(editor);
    const server = await until("the process", serverProcess);
    process.kill(server, "SIGSTOP");
    const applied = apply();
    try {
      assert.equal(await Promise.race([begun(server), applied]), "begun");
      const change = new vscode.WorkspaceEdit();
      change.insert(editor.document.uri, new vscode.Position(0, 0), "First this.\n\n");
      await vscode.workspace.applyEdit(change);
    } finally {
      process.kill(server, "SIGCONT");
    }
    await applied;
    const after = editor.document.getText();
    assert.match(after, /^First this\.\n\nAct as [^]+\n\nTask: create function\n[^]+Goal: .+\n$/);
  },

  "an untitled document is served as well": async () => {
    const document = await vscode.workspace.openTextDocument({ content: "create function" });
    const editor = await vscode.window.showTextDocument(document);
    editor.selection = new vscode.Selection(0, 0, 0, 15);
    assert.ok((await optimized(editor)).includes("Task: create function"));
  },

  "what was selected is selected again once it is rewritten, and after an undo": async () => {
    const before = "Notes\r\n\r\ncreate function\r\n\r\nThe end\r\n";
    const editor = await opened("selected.txt", before, "create function");
    const after = await optimized(editor);
    await selected(editor, after.slice("Notes\r\n\r\n".length, -"\r\n\r\nThe end\r\n".length));
    await undone(editor, before);
    await selected(editor, "create function");
  },

  "a cursor with nothing selected comes to the end of the rewrite": async () => {
    const before = 'x = "create function"\n';
    const editor = await opened("cursor.py", before, "");
    editor.selection = new vscode.Selection(0, 10, 0, 10);
    const after = await optimized(editor);
    const end = editor.document.positionAt(after.lastIndexOf('"'));
    await until("the cursor", () => editor.selection.isEqual(new vscode.Selection(end, end)) || undefined);
  },

  "a preview is shown, applied when it is accepted, and undone at once": async () => {
    const before = "create function\n";
    const editor = await opened("preview.txt", before, "create function");
    await vscode.commands.executeCommand("promptopt.previewPrompt");
    const proposed = (await previewed()).getText();
    assert.equal(editor.document.getText(), before);
    await vscode.commands.executeCommand("promptopt.acceptPreview");
    await until("the rewrite", () => editor.document.getText() === proposed || undefined);
    const active = vscode.window.activeTextEditor;
    assert.ok(active);
    assert.equal(active.document, editor.document);
    await selected(active, proposed.trimEnd());
    await undone(active, before);
  },

  "a preview leaves the tab of the document open, also an italic one": async () => {
    const { document } = await opened("italic.txt", "create function\n", "create function");
    await vscode.commands.executeCommand("workbench.action.closeActiveEditor");
    const editor = await vscode.window.showTextDocument(document, { preview: true });
    assert.deepEqual(
      tabsOf(document.uri).map((tab) => tab.isPreview),
      [true],
    );
    editor.selection = new vscode.Selection(0, 0, 0, "create function".length);
    await vscode.commands.executeCommand("promptopt.previewPrompt");
    await previewed();
    assert.deepEqual([tabsOf(document.uri).length, diffs().length], [1, 1]);
    await vscode.commands.executeCommand("promptopt.discardPreview");
  },

  "a preview that was moved into another group can be accepted there": async () => {
    const before = "create function\n";
    const editor = await opened("moved.txt", before, "create function");
    await vscode.commands.executeCommand("promptopt.previewPrompt");
    const proposed = (await previewed()).getText();
    await vscode.commands.executeCommand("workbench.action.moveEditorToNextGroup");
    await until("another group", () => vscode.window.tabGroups.all.length > 1 || undefined);
    await vscode.commands.executeCommand("promptopt.acceptPreview");
    await until("the rewrite", () => editor.document.getText() === proposed || undefined);
  },

  "a preview that is discarded changes nothing": async () => {
    const before = "write an email\n";
    const editor = await opened("discard.txt", before, "write an email");
    await vscode.commands.executeCommand("promptopt.previewPrompt");
    assert.notEqual((await previewed()).getText(), before);
    await vscode.commands.executeCommand("promptopt.discardPreview");
    assert.deepEqual(diffs(), []);
    const change = new vscode.WorkspaceEdit();
    change.insert(editor.document.uri, new vscode.Position(1, 0), "Later\n"); // after any edit that nobody has waited for
    assert.ok(await vscode.workspace.applyEdit(change));
    assert.equal(editor.document.getText(), `${before}Later\n`);
  },

  "a preview that is discarded while the rewrite is under way changes nothing": async () => {
    const before = "write an email\n";
    const editor = await opened("stopped.txt", before, "write an email");
    const server = await until("the process", serverProcess);
    process.kill(server, "SIGSTOP");
    const preview = vscode.commands.executeCommand("promptopt.previewPrompt");
    try {
      await until("the diff", () => diffs().length > 0 || undefined);
      assert.equal(await Promise.race([begun(server), preview]), "begun"); // it is held now: what is stopped does not end
      await vscode.commands.executeCommand("promptopt.discardPreview");
    } finally {
      process.kill(server, "SIGCONT");
    }
    await preview;
    assert.equal(editor.document.getText(), before);
    assert.deepEqual(diffs(), []);
  },

  "with the setting always the command shows a preview": async () => {
    const settings = vscode.workspace.getConfiguration("promptopt");
    await settings.update("preview", "always", vscode.ConfigurationTarget.Global);
    const before = "plan a workshop\n";
    const editor = await opened("always.txt", before, "plan a workshop");
    await vscode.commands.executeCommand("promptopt.optimizePrompt");
    await previewed();
    assert.equal(editor.document.getText(), before);
    await vscode.commands.executeCommand("promptopt.discardPreview");
    await settings.update("preview", undefined, vscode.ConfigurationTarget.Global);
  },

  "a preview is not applied to a document that has changed": async () => {
    const editor = await opened("changed.txt", "create function\n", "create function");
    await vscode.commands.executeCommand("promptopt.previewPrompt");
    await previewed();
    const change = new vscode.WorkspaceEdit();
    change.insert(editor.document.uri, new vscode.Position(0, 0), "Please ");
    await vscode.workspace.applyEdit(change);
    await vscode.commands.executeCommand("promptopt.acceptPreview");
    assert.equal(editor.document.getText(), "Please create function\n");
    await vscode.commands.executeCommand("promptopt.tryPreviewAgain");
    const proposed = await previewed();
    assert.ok(proposed.getText().startsWith("Please Act as "), proposed.getText());
    await vscode.commands.executeCommand("promptopt.discardPreview");
  },

  "the history puts back what a rewrite has replaced, below later text": async () => {
    const editor = await opened("history.txt", "create function\n", "create function");
    await optimized(editor);
    const change = new vscode.WorkspaceEdit();
    change.insert(editor.document.uri, new vscode.Position(0, 0), "Later\n");
    await vscode.workspace.applyEdit(change);
    const shown = vscode.commands.executeCommand("promptopt.showHistory");
    await until("the undo from the history", async () => {
      await vscode.commands.executeCommand("workbench.action.acceptSelectedQuickOpenItem");
      return editor.document.getText() === "Later\ncreate function\n" || undefined;
    });
    await shown;
  },

  "a server that is killed during a rewrite leaves the document alone and comes back": async () => {
    const before = "create function\n";
    const editor = await opened("killed.txt", before, "create function");
    const old = await until("the process", serverProcess);
    process.kill(old, "SIGSTOP");
    const rewrite = vscode.commands.executeCommand("promptopt.optimizePrompt");
    assert.equal(await Promise.race([begun(old), rewrite]), "begun"); // it is held now: what is stopped does not end
    process.kill(old, "SIGKILL");
    await rewrite;
    assert.equal(editor.document.getText(), before);
    await until("another process", () => {
      const now = serverProcess();
      return now === old ? undefined : now;
    });
    await until("a rewrite by the new server", async () => {
      await vscode.commands.executeCommand("promptopt.optimizePrompt");
      return editor.document.getText().includes("Task: create function") || undefined;
    });
  },

  "a restart takes the place of a server that does not answer": async () => {
    const old = await until("the process", serverProcess);
    process.kill(old, "SIGSTOP");
    await vscode.commands.executeCommand("promptopt.restartServer");
    await until("another process", () => serverProcesses().find((each) => each !== old));
    const editor = await opened("hung.txt", "create function\n", "create function");
    assert.ok((await optimized(editor)).includes("Task: create function"));
    await until("the end of the old process", () => !serverProcesses().includes(old) || undefined);
  },

  "a restart brings the server back": async () => {
    await vscode.commands.executeCommand("promptopt.restartServer");
    await until("the server", () => hasCommand("promptopt.optimize"));
    const editor = await opened("again.txt", "create function\n", "create function");
    assert.ok((await optimized(editor)).includes("Task: create function"));
  },
};

/** VS Code calls this. The results go to the file that run.mjs waits for. */
export async function run(): Promise<void> {
  const results = [];
  for (const [name, test] of Object.entries(tests)) {
    const problem = await test().then(
      () => "",
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    results.push({ name, problem });
  }
  writeFileSync(String(process.env["PROMPTOPT_TEST_RESULTS"]), JSON.stringify(results));
}
