import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import { OwnEnvironment, Run, isNewEnough } from "../../src/environment";

const NO_STOP = new AbortController().signal;
let root = "";
let calls: string[] = [];
let steps: string[] = [];

/** A Run that notes what is run; the venv is a folder, and `refused` commands fail. */
function fakeRun(versions: Record<string, string>, refused = ""): Run {
  return (file, args) => {
    calls.push([path.basename(file), ...args].join(" ").replace(root, "ROOT"));
    if (refused !== "" && args.includes(refused)) return Promise.reject(new Error(`no ${refused}`));
    if (args[1] === "venv") fs.mkdirSync(String(args[2]), { recursive: true });
    if (args[0] !== "-c") return Promise.resolve("");
    const version = versions[file];
    return version === undefined ? Promise.reject(new Error("not there")) : Promise.resolve(version);
  };
}

function environment(run: Run): OwnEnvironment {
  return new OwnEnvironment(path.join(root, "storage", "environment"), false, run);
}

const tell = (step: string) => steps.push(step);

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "promptopt-"));
  [calls, steps] = [[], []];
});

afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

describe("the extension's own environment", () => {
  test("is made by the first Python that is new enough, and says each step", async () => {
    const own = environment(fakeRun({ old: "3 10\n", new: "3 12\n" }));
    await own.install(["none", "old", "new"], "promptopt", tell, NO_STOP);
    assert.deepEqual(calls.slice(3), ["new -m venv ROOT/storage/environment", "python -m pip install --upgrade promptopt"]);
    assert.deepEqual(steps, ["Looking for Python…", "Making a virtual environment…", "Installing promptopt…"]);
    assert.equal(own.exists, true);
  });

  test("is updated when it is there already", async () => {
    const own = environment(fakeRun({}));
    fs.mkdirSync(own.folder, { recursive: true });
    await own.install([], "promptopt", tell, NO_STOP);
    assert.deepEqual(calls, ["python -m pip install --upgrade promptopt"]);
  });

  test("leaves nothing when the first installation fails", async () => {
    const own = environment(fakeRun({ new: "3 11\n" }, "pip"));
    await assert.rejects(own.install(["new"], "promptopt", tell, NO_STOP), /no pip/);
    assert.equal(own.exists, false);
  });

  test("stays when an update fails", async () => {
    const own = environment(fakeRun({}, "pip"));
    fs.mkdirSync(own.folder, { recursive: true });
    await assert.rejects(own.install([], "promptopt", tell, NO_STOP), /no pip/);
    assert.equal(own.exists, true);
  });

  test("needs a Python, and says which", async () => {
    const own = environment(fakeRun({ old: "3 10\n" }));
    await assert.rejects(own.install(["old"], "promptopt", tell, NO_STOP), /No Python 3\.11 or newer/);
    assert.equal(own.exists, false);
  });

  test("is removed as a whole", () => {
    const own = environment(fakeRun({}));
    fs.mkdirSync(path.join(own.folder, "bin"), { recursive: true });
    own.remove();
    assert.equal(own.exists, false);
  });
});

test("which Python is new enough", () => {
  const versions = ["3 10\n", "3 11", "3 13", "4 0", "2 7", "", "x y"];
  assert.deepEqual(versions.map(isNewEnough), [false, true, true, true, false, false, false]);
});
