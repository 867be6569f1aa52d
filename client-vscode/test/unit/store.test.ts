import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import { Entry, MOST } from "../../src/history";
import { MOST_BYTES, MOST_FILES, Store, StoredHistory, storing } from "../../src/store";

let root = "";
let folder = "";
let told: string[] = [];

const tell = (problem: string) => told.push(problem);
const store = (workspace = "file:///project") => new Store(folder, workspace);
const opened = (workspace?: string) => new StoredHistory(store(workspace), tell);

function entry(before: string, after = "AFTER"): Entry {
  return { uri: "file:///project/a.txt", start: 2, before, after, at: new Date(1000) };
}

/** A history of another window, which begins to follow a wish. */
function later(wish: "here" | "not here" | "never", workspace?: string): StoredHistory {
  const history = opened(workspace);
  history.follow(wish);
  return history;
}

/** All that is below the folder: the names, and the bytes of each. */
function files(): Map<string, string> {
  const names = fs.existsSync(folder) ? fs.readdirSync(folder) : [];
  return new Map(names.map((name) => [name, fs.readFileSync(path.join(folder, name), "utf8")]));
}

const befores = (history: StoredHistory) => history.entries.map((each) => each.before);

/** Writes something else into the only file that there is. */
function damage(text: string): string {
  const [name] = files().keys();
  assert.ok(name);
  fs.writeFileSync(path.join(folder, name), text);
  return path.join(folder, name);
}

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "promptopt-"));
  folder = path.join(root, "storage", "history");
  told = [];
});

afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

test("a history is stored where the user wants that, in a workspace that is trusted", () => {
  assert.deepEqual(
    [
      storing(false, true, "w"),
      storing(true, true, "w"),
      storing(true, false, "w"),
      storing(true, true, undefined),
      storing("yes", true, "w"),
    ],
    ["never", "here", "not here", "not here", "never"],
  );
});

describe("a history that is not stored", () => {
  test("is in memory, and leaves no file", () => {
    const history = later("never");
    history.add(entry("one"));
    assert.deepEqual([befores(history), files().size], [["one"], 0]);
    assert.deepEqual(befores(later("never")), []);
  });

  test("in a workspace that is not trusted leaves no file either, and reads none", () => {
    later("here").add(entry("while it was trusted"));
    later("here", "file:///other").add(entry("other"));
    const history = later("not here");
    assert.deepEqual(befores(history), []);
    history.add(entry("secret"));
    assert.equal([...files().values()].join("").includes("secret"), false);
    assert.deepEqual([befores(later("here")), befores(later("here", "file:///other"))], [[], ["other"]]);
  });
});

describe("a history that is stored", () => {
  test("is there in the next window as it was, to the byte", () => {
    const odd = { ...entry("\ud800 \r\n😀 \u2028", "écrire\0"), start: 7, at: new Date(5) };
    const history = later("here");
    history.add(entry("first"));
    history.add(odd);
    assert.deepEqual(later("here").entries, [odd, entry("first")]);
  });

  test("is that of its workspace alone", () => {
    later("here").add(entry("one"));
    later("here", "file:///other").add(entry("other"));
    assert.deepEqual([befores(later("here")), befores(later("here", "file:///other"))], [["one"], ["other"]]);
  });

  test("has what this window made before that was turned on, ahead of what is stored", () => {
    later("here").add(entry("earlier"));
    const history = opened();
    history.add(entry("now"));
    history.follow("here");
    assert.deepEqual(befores(history), ["now", "earlier"]);
    assert.deepEqual(befores(later("here")), ["now", "earlier"]);
  });

  test("is read once: to be told the same again doubles nothing", () => {
    const history = later("here");
    history.add(entry("one"));
    history.follow("here");
    assert.deepEqual(befores(history), ["one"]);
  });

  test("is one file that others cannot read, and nothing half written lies beside it", { skip: process.platform === "win32" }, () => {
    const history = later("here");
    for (let count = 0; count < 3; count++) history.add(entry(String(count)));
    const [name, ...others] = files().keys();
    assert.deepEqual(others, []);
    assert.equal(fs.statSync(path.join(folder, String(name))).mode & 0o777, 0o600);
    assert.equal(fs.statSync(folder).mode & 0o777, 0o700);
  });

  test("takes the place of the file before in one step: who reads has the old one or the new one", () => {
    const history = later("here");
    history.add(entry("old"));
    const [name] = files().keys();
    const reader = fs.openSync(path.join(folder, String(name)), "r");
    history.add(entry("new"));
    const read = fs.readFileSync(reader, "utf8");
    fs.closeSync(reader);
    assert.equal((JSON.parse(read) as { entries: unknown[] }).entries.length, 1);
  });

  test("has no more than twenty, the newest", () => {
    const history = later("here");
    for (let count = 0; count <= MOST; count++) history.add(entry(String(count)));
    const read = befores(later("here"));
    assert.deepEqual([read.length, read[0], read.at(-1)], [MOST, String(MOST), "1"]);
  });

  test("is a file of bounded size: one that does not fit is left out, and then the oldest", () => {
    const history = later("here");
    const third = "é".repeat(MOST_BYTES / 6);
    for (const before of ["oldest", third, `${third}2`, third.repeat(4), "newest"]) history.add(entry(before));
    assert.deepEqual(befores(later("here")), ["newest", `${third}2`, third, "oldest"]);
    history.add(entry(`${third}3`));
    assert.deepEqual(
      befores(later("here")).map((before) => before.slice(-1)),
      ["3", "t", "2", "t"],
    );
    assert.ok([...files().values()].every((text) => Buffer.byteLength(text) <= MOST_BYTES));
    assert.equal(history.entries.length, 6);
  });

  test("is one of a bounded number of files: those that were not written for longest go", () => {
    for (let count = 0; count <= MOST_FILES; count++) {
      later("here", `file:///${String(count)}`).add(entry(String(count)));
      for (const name of files().keys()) {
        const { mtime } = fs.statSync(path.join(folder, name));
        fs.utimesSync(path.join(folder, name), mtime, new Date(mtime.getTime() - 60_000));
      }
    }
    assert.equal(files().size, MOST_FILES);
    assert.deepEqual([befores(later("here", "file:///0")), befores(later("here", "file:///1"))], [[], ["1"]]);
  });

  test("is deleted when that is turned off, those of other workspaces too; this window keeps its own in memory", () => {
    const history = later("here");
    history.add(entry("one"));
    later("here", "file:///other").add(entry("other"));
    history.follow("never");
    history.add(entry("two"));
    assert.equal(fs.existsSync(folder), false);
    assert.deepEqual(befores(history), ["two", "one"]);
    assert.deepEqual(told, []);
  });

  test("is deleted by the next window where it was turned off meanwhile", () => {
    later("here").add(entry("one"));
    later("never");
    assert.equal(fs.existsSync(folder), false);
  });
});

describe("a file that is damaged", () => {
  const whole = { uri: "file:///a", start: 0, before: "b", after: "a", at: "2026-01-01T00:00:00.000Z" };
  const damages = {
    "cut short": '{"format":1,"entries":[{"uri":"file:///a","before":"my secret pro',
    empty: "",
    "of another format": JSON.stringify({ format: 2, entries: [] }),
    "no list": JSON.stringify({ format: 1, entries: {} }),
    null: "null",
    "with an address of another kind": JSON.stringify({ format: 1, entries: [{ ...whole, uri: "command:evil" }] }),
    "with a place that is none": JSON.stringify({ format: 1, entries: [whole, { ...whole, start: -1 }] }),
    "with a time that is none": JSON.stringify({ format: 1, entries: [{ ...whole, at: "soon" }] }),
    "without a text": JSON.stringify({ format: 1, entries: [{ ...whole, before: undefined }] }),
    "too large": JSON.stringify({ format: 1, entries: [{ ...whole, before: "x".repeat(MOST_BYTES) }] }),
  };

  for (const [name, text] of Object.entries(damages)) {
    test(`(${name}) is set aside, and said without a word of it; the history begins anew`, () => {
      later("here").add(entry("one"));
      const file = damage(text);
      const history = later("here");
      assert.deepEqual(befores(history), []);
      assert.deepEqual(told, [`The stored history was damaged and begins anew. The damaged file is ${file}.damaged.`]);
      assert.equal(fs.readFileSync(`${file}.damaged`, "utf8"), text);
      history.add(entry("two"));
      assert.deepEqual(befores(later("here")), ["two"]);
      assert.equal(told.length, 1);
    });
  }

  test("that was set aside is deleted with the others", () => {
    later("here").add(entry("one"));
    damage("{");
    later("here");
    later("never");
    assert.equal(fs.existsSync(folder), false);
  });
});

test("where nothing can be written that is said once, nothing half is left, and the history is in memory", () => {
  const history = later("here");
  fs.mkdirSync(path.dirname(folder), { recursive: true });
  fs.writeFileSync(folder, "in the way");
  history.add(entry("one"));
  history.add(entry("two"));
  assert.deepEqual(befores(history), ["two", "one"]);
  assert.equal(told.length, 1);
  assert.match(String(told[0]), /^The history cannot be stored and is kept in memory only: E[A-Z]+/);
});

test("where a file cannot be put in its place nothing half written is left", () => {
  const history = later("here");
  history.add(entry("one"));
  const [name] = files().keys();
  fs.rmSync(path.join(folder, String(name)));
  fs.mkdirSync(path.join(folder, String(name), "in the way"), { recursive: true });
  history.add(entry("two"));
  assert.deepEqual(fs.readdirSync(folder), [name]);
  assert.equal(told.length, 1);
});
