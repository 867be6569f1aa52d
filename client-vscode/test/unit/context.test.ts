import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import type { ExtensionContext, LogOutputChannel } from "vscode";

import { Ctx } from "../../src/context";
import { MOST_CRASHES } from "../../src/crashes";
import { OPTIMIZE, execute, isLost } from "../../src/requests";
import { fake } from "../fake/vscode.cjs";

const STARTING = "promptopt: the language server is starting; try again in a moment.";
const PATIENCE_MS = 120_000;
const ANSWERS = `exec '${process.execPath}' '${path.resolve("test/fake/server.cjs")}'`;

let root = "";
let server = "";
let ctx: Ctx;

/** Makes what the server's file does when it is not asked for its version. */
function behave(how: string): void {
  fs.writeFileSync(server, `#!/bin/sh\n[ "$1" = --version ] && echo "promptopt-lsp 0.1.0" && exit\n${how}\n`, { mode: 0o755 });
}

async function until<T>(what: string, probe: () => T | undefined): Promise<T> {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 10))) {
    const value = probe();
    if (value !== undefined) return value;
  }
  throw new Error(`waited in vain for ${what}`);
}

const running = (other?: number) =>
  until("the server", () => {
    const pid = ctx.running?.serverProcess?.pid;
    return pid === other ? undefined : pid;
  });

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "promptopt-"));
  server = path.join(root, "promptopt-lsp");
  behave(ANSWERS);
  Object.assign(fake, { settings: { "server.path": server }, trusted: true, shown: [], answers: [], cancels: false });
  const folder = (name: string) => ({ fsPath: path.join(root, name), toString: () => name });
  const extension = { globalStorageUri: folder("storage"), storageUri: folder("workspace") } as unknown as ExtensionContext;
  const log = Object.fromEntries(["info", "warn", "error", "debug", "trace"].map((name) => [name, () => undefined]));
  const channel = { ...log, logLevel: 3, onDidChangeLogLevel: () => ({ dispose: () => undefined }) };
  ctx = new Ctx(extension, channel as unknown as LogOutputChannel);
});

afterEach(async () => {
  await ctx.stop();
  ctx.dispose();
  fs.rmSync(root, { recursive: true, force: true });
});

/** Starts a server that never answers; the start, once its process is there. */
async function silent(): Promise<{ start: Promise<void> }> {
  const trace = path.join(root, "started");
  behave(`touch '${trace}'\nexec sleep 600`);
  const start = ctx.restart();
  await until("the process", () => fs.existsSync(trace) || undefined);
  behave(ANSWERS);
  return { start };
}

describe("a server", { skip: process.platform === "win32" }, () => {
  test("that never answers gives way to another start, and nothing is said of it", async () => {
    const { start } = await silent();
    await Promise.all([ctx.restart(), start]);
    assert.notEqual(ctx.running, undefined);
    assert.deepEqual(fake.shown, []);
  });

  test("that never answers can be stopped: no start is under way any more", async () => {
    const { start } = await silent();
    await ctx.stop();
    await start;
    assert.equal(ctx.running, undefined);
    assert.deepEqual(fake.shown, []);
  });

  test("that is starting is said to be, not to be missing from the machine", async () => {
    const start = ctx.restart();
    ctx.explain();
    assert.deepEqual(fake.shown, [STARTING]);
    await start;
  });

  test("that is not there is offered to be installed, once", async () => {
    fake.settings["server.path"] = path.join(root, "gone");
    await ctx.restart();
    assert.deepEqual(fake.shown, [`promptopt: ${path.join(root, "gone")} does not run (setting): there is no such file.`]);
  });

  test("that is killed while it is asked fails the request and is started again; at the fourth time that is said", async () => {
    await ctx.restart();
    let pid: number | undefined;
    for (let count = 1; count <= MOST_CRASHES; count++) {
      pid = await running(pid);
      const client = ctx.running;
      assert.ok(client);
      const asked = execute(client, OPTIMIZE, {});
      process.kill(pid, "SIGKILL");
      await assert.rejects(asked, isLost);
    }
    await until("the message", () => fake.shown.at(0));
    assert.deepEqual(fake.shown, ["promptopt: the language server keeps ending and is not started again."]);
    await ctx.restart();
    assert.notEqual(await running(pid), pid);
  });
});

describe("an installation", { skip: process.platform === "win32" }, () => {
  test("that is declined is not asked for again, and leaves the server alone", async () => {
    await ctx.restart();
    const pid = await running();
    await ctx.install();
    assert.deepEqual([fake.shown, await running()], [["Install the promptopt language server?"], pid]);
  });

  test("that is cancelled is no error", async () => {
    Object.assign(fake, { answers: ["Install"], cancels: true });
    await ctx.install();
    assert.deepEqual(fake.shown, ["Install the promptopt language server?"]);
    assert.equal(ctx.own.exists, false);
  });
});

describe("the history of a window", () => {
  const entry = { uri: "file:///a", start: 0, before: "before", after: "after", at: new Date(0) };
  const stored = () => fs.existsSync(path.join(root, "storage", "history"));

  test("is in memory only", () => {
    ctx.keepHistory();
    ctx.history.add(entry);
    assert.deepEqual([ctx.history.entries, stored()], [[entry], false]);
  });

  test("is stored from when that is turned on to when it is turned off", () => {
    ctx.history.add(entry);
    fake.settings["history.store"] = true;
    ctx.keepHistory();
    assert.equal(stored(), true);
    fake.settings["history.store"] = false;
    ctx.keepHistory();
    assert.equal(stored(), false);
  });

  test("is not stored before the workspace is trusted", () => {
    Object.assign(fake, { settings: { "history.store": true }, trusted: false });
    ctx.keepHistory();
    ctx.history.add(entry);
    assert.equal(stored(), false);
    fake.trusted = true;
    ctx.keepHistory();
    assert.equal(stored(), true);
  });
});
