import assert from "node:assert/strict";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import { OwnEnvironment, Run, isNewEnough } from "../../src/environment";
import { output } from "../../src/process";

const WINDOWS = process.platform === "win32";
const NO_STOP = new AbortController().signal;
let root = "";
let calls: string[] = [];
let steps: string[] = [];
let places: (string | undefined)[] = [];

/** A Run that notes what is run; the venv is a folder, pip puts the server into it, and `refused` commands fail. */
function fakeRun(versions: Record<string, string>, refused = ""): Run {
  return (file, args, how) => {
    places.push(how?.cwd?.replace(root, "ROOT"));
    calls.push([path.basename(file), ...args].join(" ").replace(root, "ROOT"));
    if (refused !== "" && args.includes(refused)) return Promise.reject(new Error(`no ${refused}`));
    if (args[2] === "venv") fs.mkdirSync(path.join(String(args[3]), "bin"), { recursive: true });
    if (args[2] === "pip") fs.writeFileSync(path.join(path.dirname(file), "promptopt-lsp"), "");
    if (args[1] !== "-c") return Promise.resolve("");
    const version = versions[file];
    return version === undefined ? Promise.reject(new Error("not there")) : Promise.resolve(version);
  };
}

function environment(run: Run): OwnEnvironment {
  return new OwnEnvironment(path.join(root, "storage", "environment"), false, run);
}

/** An environment in which the server is installed already. */
function installed(run: Run): OwnEnvironment {
  const own = environment(run);
  fs.mkdirSync(path.join(own.folder, "bin"), { recursive: true });
  fs.writeFileSync(path.join(own.folder, "bin", "promptopt-lsp"), "");
  return own;
}

const PIP = "python -P -m pip install --disable-pip-version-check --upgrade promptopt"; // else its advice to update it may be its last line

const tell = (step: string) => steps.push(step);

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "promptopt-"));
  [calls, steps, places] = [[], [], []];
});

afterEach(() => {
  fs.rmSync(root, { recursive: true, force: true });
});

describe("the extension's own environment", () => {
  test("is made by the first Python that is new enough, and says each step", async () => {
    const own = environment(fakeRun({ old: "3 10\n", new: "3 12\n" }));
    await own.install(["none", "old", "new"], "promptopt", tell, NO_STOP);
    assert.deepEqual(calls.slice(3), ["new -P -m venv ROOT/storage/environment", PIP]);
    assert.deepEqual([...new Set(places)], ["ROOT/storage"]);
    assert.deepEqual(steps, ["Looking for Python…", "Making a virtual environment…", "Installing promptopt…"]);
    assert.equal(own.exists, true);
  });

  test("is updated when it is there already", async () => {
    const own = installed(fakeRun({}));
    await own.install([], "promptopt", tell, NO_STOP);
    assert.deepEqual(calls, [PIP]);
  });

  test("is made anew where an installation was interrupted: what that has left may have no pip", async () => {
    const own = environment(fakeRun({ new: "3 12\n" }));
    fs.mkdirSync(path.join(own.folder, "half"), { recursive: true });
    assert.equal(own.exists, false);
    await own.install(["new"], "promptopt", tell, NO_STOP);
    assert.deepEqual(calls.slice(1), ["new -P -m venv ROOT/storage/environment", PIP]);
    assert.deepEqual([own.exists, fs.readdirSync(own.folder)], [true, ["bin"]]);
  });

  test("leaves nothing when the first installation fails", async () => {
    const own = environment(fakeRun({ new: "3 11\n" }, "pip"));
    await assert.rejects(own.install(["new"], "promptopt", tell, NO_STOP), /no pip/);
    assert.equal(fs.existsSync(own.folder), false);
  });

  test("stays when an update fails", async () => {
    const own = installed(fakeRun({}, "pip"));
    await assert.rejects(own.install([], "promptopt", tell, NO_STOP), /no pip/);
    assert.equal(own.exists, true);
  });

  test("is made with Python's own modules, whatever the working directory has by their names", { skip: WINDOWS }, async () => {
    const planted = path.join(root, "planted");
    fs.mkdirSync(planted);
    for (const name of ["venv", "pip", "ensurepip"]) fs.writeFileSync(path.join(planted, `${name}.py`), "open('ran', 'w')\n");
    // the files run in the working directory of a Python that is started as any other
    await output("python3", ["-m", "venv", path.join(root, "other")], { cwd: planted });
    assert.equal(fs.existsSync(path.join(planted, "ran")), true);
    fs.rmSync(path.join(planted, "ran"));
    const own = environment((file, args, how) => output(file, args, { ...how, cwd: planted }));
    await assert.rejects(own.install(["python3"], path.join(root, "nothing.whl"), tell, NO_STOP));
    assert.deepEqual([fs.existsSync(path.join(planted, "ran")), steps.length], [false, 3]);
  });

  test("is not made by a Python without ensurepip", { skip: WINDOWS }, async () => {
    const bare = path.join(root, "bare");
    fs.writeFileSync(bare, `#!/bin/sh\nexec python3 -c 'import sys; sys.modules["ensurepip"] = None; exec(sys.argv[1])' "$3"\n`, {
      mode: 0o755,
    });
    await assert.rejects(environment(output).install([bare], "promptopt", tell, NO_STOP), /python3-venv/);
    assert.deepEqual(steps, ["Looking for Python…"]);
  });

  test("needs a Python, and says which", async () => {
    const own = environment(fakeRun({ old: "3 10\n" }));
    await assert.rejects(own.install(["old"], "promptopt", tell, NO_STOP), /No Python 3\.11 or newer/);
    assert.equal(own.exists, false);
  });

  test("is not installed twice at a time, nor removed meanwhile: one would delete what the other makes", async () => {
    const own = environment(fakeRun({ new: "3 12\n" }));
    const first = own.install(["new"], "promptopt", tell, NO_STOP);
    await assert.rejects(own.install(["new"], "promptopt", tell, NO_STOP), /is being installed/);
    assert.throws(() => {
      own.remove();
    }, /is being installed/);
    await first;
    assert.deepEqual([calls.length, own.exists], [3, true]);
    own.remove();
    assert.equal(own.exists, false);
  });

  test("is removed as a whole", () => {
    const own = installed(fakeRun({}));
    own.remove();
    assert.equal(fs.existsSync(own.folder), false);
  });
});

test("which Python is new enough", () => {
  const versions = ["3 10\n", "3 11", "3 13", "4 0", "2 7", "", "x y"];
  assert.deepEqual(versions.map(isNewEnough), [false, true, true, true, false, false, false]);
});
