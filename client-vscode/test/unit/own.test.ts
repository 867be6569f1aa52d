import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import type { ExtensionContext, LogOutputChannel } from "vscode";

import { Ctx } from "../../src/context";
import { Sharing } from "../../src/sharing";
import { fake } from "../fake/vscode.cjs";

const PATIENCE_MS = 120_000;
const PATH = process.env["PATH"];
const MISSING = "promptopt: the language server is not on this machine. It can be installed into an environment of the extension's own.";
const CHANGING = "promptopt: The language server is being installed, updated or removed. Try again when that is done.";

let root = "";
let programs = "";
let shown: string[] = [];
let ctx: Ctx;

/** A server whose process stays for a moment after it was stopped, and says its number. */
const server = `#!/bin/sh
[ "$1" = --version ] && echo "promptopt-lsp 0.1.0" && exit
echo $$ >"ROOT/pid"
'${process.execPath}' '${path.resolve("test/fake/server.cjs")}'
sleep 0.5
`;

/** A Python that makes an environment with that server in it, and notes whether the one before runs. */
const python = `#!/bin/sh
case "$3" in venv | pip) kill -0 $(cat "ROOT/pid") && echo "runs" >>"ROOT/seen" || echo "has ended" >>"ROOT/seen" ;; esac
case "$3" in
venv)
  mkdir -p "$4/bin" && cp "$0" "$4/bin/python" ;;
pip) cp "ROOT/promptopt-lsp" "$(dirname "$0")" ;;
*) echo 3 12 ;;
esac
`;

async function until<T>(what: string, probe: () => T | undefined): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 10))) {
    const value = probe();
    if (value !== undefined) return value;
  }
  throw new Error(`waited in vain for ${what}`);
}

const read = (name: string) => fs.readFileSync(path.join(root, name), "utf8").trim();
const storage = () => fs.readdirSync(path.join(root, "storage")).sort();
const running = () => until("the server", () => ctx.running?.serverProcess?.pid);

function runs(pid: number): boolean {
  try {
    return process.kill(pid, 0);
  } catch {
    return false;
  }
}

function put(file: string, text: string): void {
  fs.writeFileSync(file, text.replaceAll("ROOT", root), { mode: 0o755 });
}

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "promptopt-"));
  programs = path.join(root, "storage", "environment", "bin");
  fs.mkdirSync(programs, { recursive: true });
  fs.mkdirSync(path.join(root, "bin"));
  for (const file of [path.join(root, "promptopt-lsp"), path.join(programs, "promptopt-lsp")]) put(file, server);
  for (const file of [path.join(root, "bin", "python3"), path.join(programs, "python")]) put(file, python);
  process.env["PATH"] = `${path.join(root, "bin")}:/usr/bin:/bin`;
  Object.assign(fake, { settings: {}, trusted: true, shown: [], answers: [], cancels: false });
  const folder = (name: string) => ({ fsPath: path.join(root, name), toString: () => name });
  const extension = { globalStorageUri: folder("storage"), storageUri: folder("workspace") } as unknown as ExtensionContext;
  const log = Object.fromEntries(["info", "warn", "error", "debug", "trace"].map((name) => [name, () => undefined]));
  const channel = { ...log, logLevel: 3, onDidChangeLogLevel: () => ({ dispose: () => undefined }) };
  ctx = new Ctx(extension, channel as unknown as LogOutputChannel);
  const states: string[] = (shown = []);
  Object.defineProperty(fake.item, "text", { set: (text: string) => states.push(text.replace(/.*: /, "")) });
});

afterEach(async () => {
  await ctx.stop();
  ctx.dispose();
  process.env["PATH"] = PATH;
  fs.rmSync(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 });
});

describe("a server in the extension's own environment", { skip: process.platform === "win32" }, () => {
  test("has ended before its environment is updated, and is started again afterwards", async () => {
    await ctx.restart();
    const before = await running();
    fake.answers = ["Update"];
    await ctx.install();
    assert.deepEqual(read("seen").split("\n"), ["has ended", "has ended"]);
    assert.notEqual(await running(), before);
    assert.deepEqual(shown, ["starting", "ready", "stopped", "starting", "ready"]);
    assert.deepEqual([fake.shown, storage()], [["Update the promptopt language server?"], ["environment", "environment.users"]]);
  });

  test("runs again where its update is cancelled", async () => {
    await ctx.restart();
    const before = await running();
    Object.assign(fake, { answers: ["Update"], cancels: true });
    await ctx.install();
    assert.notEqual(await running(), before);
    assert.deepEqual([fake.shown, storage()], [["Update the promptopt language server?"], ["environment", "environment.users"]]);
  });

  test("has ended when its environment is removed", async () => {
    await ctx.restart();
    const before = await running();
    await ctx.uninstall();
    assert.deepEqual([runs(before), storage(), fake.shown], [false, ["environment.users"], [MISSING]]);
  });

  test("makes way while another window changes it, which is said, and is started again then", async () => {
    await ctx.restart();
    const before = await running();
    const window = spawn("sleep", ["600"]);
    const there = new Sharing(path.dirname(programs), window.pid);
    try {
      assert.deepEqual([await there.free(0), there.take()], [false, true]);
      assert.equal(await there.free(PATIENCE_MS), true);
      assert.equal(runs(before), false);
      await ctx.restart(); // to no avail
      assert.equal(ctx.running, undefined);
      ctx.explain();
      await ctx.uninstall();
      const refused = "promptopt: the language server was not removed. Another window is installing or removing it at this moment.";
      assert.deepEqual(fake.shown, [CHANGING, refused]);
      assert.equal(shown.at(-1), "stopped");
      assert.equal(fs.existsSync(programs), true);
    } finally {
      window.kill("SIGKILL"); // and it does not say that it has done with it
    }
    assert.notEqual(await running(), before);
  });
});

test("a server elsewhere is left alone while another window changes the environment", { skip: process.platform === "win32" }, async () => {
  fake.settings["server.path"] = path.join(root, "promptopt-lsp");
  const there = new Sharing(path.dirname(programs), process.ppid);
  assert.equal(there.take(), true);
  await ctx.restart();
  const pid = await running();
  assert.equal(await there.free(0), true);
  await ctx.uninstall();
  assert.deepEqual([await running(), fs.existsSync(programs), fake.shown.length], [pid, true, 1]);
});
