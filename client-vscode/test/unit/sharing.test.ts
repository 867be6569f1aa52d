import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import fs from "node:fs"; // not a copy of it: a test replaces a function
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import { FRESH_MS, Sharing } from "../../src/sharing";

const OTHER = process.ppid;
let root = "";
let folder = "";

const sharing = (pid?: number) => new Sharing(folder, pid);

/** Makes a file as old as one that nobody keeps fresh any more. */
function age(file: string): void {
  const then = (Date.now() - FRESH_MS) / 1000 - 1;
  fs.utimesSync(file, then, then);
}

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "promptopt-"));
  folder = path.join(root, "storage", "environment");
});

afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

describe("a change of a shared folder", () => {
  test("is made by one window at a time, and the others see whose it is", () => {
    const [here, there] = [sharing(), sharing(OTHER)];
    assert.equal(here.changing, undefined);
    assert.deepEqual([there.take(), here.take(), there.take()], [true, false, false]);
    assert.deepEqual([here.changing, here.changingElsewhere, there.changingElsewhere], [OTHER, true, false]);
    here.release(); // it is not its own
    assert.equal(here.changing, OTHER);
    there.release();
    assert.deepEqual([here.changing, here.take(), fs.readdirSync(path.dirname(folder))], [undefined, true, ["environment.lock"]]);
  });

  test("whose process has ended is taken over", () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    assert.equal(sharing(pid).take(), true);
    assert.equal(sharing().changing, undefined);
    assert.deepEqual(
      [sharing().take(), sharing().changing, fs.readdirSync(path.dirname(folder))],
      [true, process.pid, ["environment.lock"]],
    );
  });

  test("that nobody keeps fresh is taken over: another process may have the number of the one that ended", () => {
    assert.equal(sharing(OTHER).take(), true);
    age(`${folder}.lock`);
    assert.deepEqual([sharing().take(), sharing().changing], [true, process.pid]);
  });

  test("that another window takes over at the same moment stays that window's", (context) => {
    assert.equal(sharing(OTHER).take(), true);
    age(`${folder}.lock`);
    const rename = fs.renameSync;
    context.mock.method(fs, "renameSync", (from: string, to: string) => {
      fs.rmSync(`${folder}.lock`);
      assert.equal(sharing(OTHER).take(), true);
      rename(from, to);
    });
    assert.deepEqual([sharing().take(), sharing().changing], [false, OTHER]);
    assert.deepEqual(fs.readdirSync(path.dirname(folder)), ["environment.lock"]);
  });

  test("is looked for by the other windows again and again, by one look at a time; what a window has said is kept fresh", async (context) => {
    let tick: () => void = () => assert.fail("it does not look");
    context.mock.method(globalThis, "setInterval", (work: () => void) => {
      tick = work;
      return { unref: () => undefined };
    });
    const use = path.join(`${folder}.users`, String(process.pid));
    const here = sharing();
    here.enter();
    fs.utimesSync(use, new Date(), new Date(Date.now() - FRESH_MS / 2));
    let looks = 0;
    let end: () => void = () => undefined;
    here.watch(() => {
      looks++;
      return new Promise((resolve) => (end = resolve));
    });
    tick();
    tick();
    assert.equal(looks, 1);
    end();
    await new Promise((resolve) => setImmediate(resolve));
    tick();
    assert.equal(looks, 2);
    assert.ok(fs.statSync(use).mtimeMs > Date.now() - FRESH_MS / 2);
  });
});

describe("a shared folder", () => {
  test("is free where this window alone runs something from it, and when the others do not any more", async () => {
    const [here, there] = [sharing(), sharing(OTHER)];
    assert.equal(await here.free(0), true);
    here.enter();
    there.enter();
    assert.deepEqual([here.using, await here.free(0), await there.free(0)], [true, false, false]);
    const free = here.free(60_000);
    there.leave();
    assert.deepEqual([await free, await there.free(0)], [true, false]);
    here.leave();
    assert.deepEqual([here.using, await there.free(0)], [false, true]);
  });

  test("is free where the other windows have ended without a word", async () => {
    const { pid } = spawnSync(process.execPath, ["-e", ""]);
    sharing(pid).enter();
    sharing(OTHER).enter();
    age(path.join(`${folder}.users`, String(OTHER)));
    assert.equal(await sharing().free(0), true);
    assert.deepEqual(fs.readdirSync(`${folder}.users`), []);
  });
});
