import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { afterEach, beforeEach, describe, test } from "node:test";

import { OwnEnvironment, Run, isNewEnough } from "../../src/environment";
import { output } from "../../src/process";
import { Sharing } from "../../src/sharing";

const WINDOWS = process.platform === "win32";
const NO_STOP = new AbortController().signal;
let root = "";
let calls: string[] = [];
let steps: string[] = [];
let places: (string | undefined)[] = [];
let stop = () => Promise.resolve();

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
  return new OwnEnvironment(path.join(root, "storage", "environment"), false, run, () => stop(), 0);
}

/** An environment in which the server is installed already. */
function installed(run: Run): OwnEnvironment {
  const own = environment(run);
  fs.mkdirSync(path.join(own.folder, "bin"), { recursive: true });
  fs.writeFileSync(path.join(own.folder, "bin", "promptopt-lsp"), OLD);
  return own;
}

const OLD = "the server as it was";
const server = (own: OwnEnvironment) => fs.readFileSync(path.join(own.folder, "bin", "promptopt-lsp"), "utf8");

/** What lies in the extension's storage. */
const stored = () => fs.readdirSync(path.join(root, "storage")).sort();

/** Another window of the editor, as far as this one knows of it: a process. */
async function inOtherWindow(work: (pid: number) => unknown): Promise<void> {
  const other = spawn(process.execPath, ["-e", "setTimeout(() => 0, 600000)"]);
  try {
    assert.ok(other.pid);
    await work(other.pid);
  } finally {
    other.kill("SIGKILL");
    await once(other, "exit");
  }
}

const PIP = "python -P -m pip install --disable-pip-version-check --upgrade promptopt"; // else its advice to update it may be its last line

const tell = (step: string) => steps.push(step);

beforeEach(() => {
  root = fs.mkdtempSync(path.join(os.tmpdir(), "promptopt-"));
  [calls, steps, places] = [[], [], []];
  stop = () => Promise.resolve();
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

  test("is made anew when it is updated, in its own place, once the server has stopped; the old one is out of the way, and then gone", async () => {
    const own = installed((file, args, how) => {
      if (args[2] === "venv") assert.deepEqual([own.exists, stored().length], [false, 2]); // the old one set aside, and the lock
      return fakeRun({ new: "3 12\n" })(file, args, how);
    });
    stop = () => {
      calls.push(`stop ${server(own)}`);
      return Promise.resolve();
    };
    await own.install(["new"], "promptopt", tell, NO_STOP);
    assert.deepEqual(calls.slice(1), [`stop ${OLD}`, "new -P -m venv ROOT/storage/environment", PIP]);
    assert.deepEqual([server(own), stored()], ["", ["environment"]]);
  });

  test("is updated by its own Python where no other is found, from where that was set aside", async () => {
    let maker = "";
    const own = installed((file, args, how) => {
      if (args[2] === "venv") maker = file;
      return fakeRun({ [path.join(root, "storage", "environment", "bin", "python")]: "3 12\n" })(file, args, how);
    });
    await own.install(["none"], "promptopt", tell, NO_STOP);
    assert.match(path.relative(root, maker), /^storage.environment\.removed-[^/\\]+.bin.python$/);
    assert.equal(server(own), "");
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

  test("is there again as it was when an update fails or is cancelled", async () => {
    const own = installed(async (file, args, how) => {
      await fakeRun({ new: "3 12\n" })(file, args, how);
      if (args.includes("pip")) throw new Error("no pip");
      return "3 12";
    });
    await assert.rejects(own.install(["new"], "promptopt", tell, NO_STOP), /no pip/);
    assert.deepEqual([server(own), stored()], [OLD, ["environment"]]);
  });

  test("is left alone where the server does not stop", async () => {
    const own = installed(fakeRun({ new: "3 12\n" }));
    stop = () => Promise.reject(new Error("it did not end"));
    await assert.rejects(own.install(["new"], "promptopt", tell, NO_STOP), /it did not end/);
    await assert.rejects(own.remove(tell), /it did not end/);
    assert.deepEqual([calls.length, server(own), stored()], [1, OLD, ["environment"]]);
  });

  test("is left alone while a server of another window runs from it", async () => {
    const own = installed(fakeRun({ new: "3 12\n" }));
    await inOtherWindow(async (pid) => {
      new Sharing(own.folder, pid).enter();
      await assert.rejects(own.install(["new"], "promptopt", tell, NO_STOP), /another window still runs/);
      await assert.rejects(own.remove(tell), /another window still runs/);
      assert.equal(server(own), OLD);
    });
    await own.remove(tell); // that window is gone, and has not said so
    assert.equal(own.exists, false);
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
    await assert.rejects(
      environment(fakeRun({})).install(["new"], "promptopt", tell, NO_STOP),
      /^Error: This window is installing or removing it/,
    );
    await assert.rejects(own.remove(tell), /^Error: This window is installing or removing it/);
    await first;
    assert.deepEqual([calls.length, own.exists], [3, true]);
    await own.remove(tell);
    assert.equal(own.exists, false);
  });

  test("is left alone while another window installs or removes it, which is said; not by one that ended in the middle", async () => {
    const own = installed(fakeRun({ new: "3 12\n" }));
    stop = () => assert.fail("stopped for nothing");
    await inOtherWindow(async (pid) => {
      assert.equal(new Sharing(own.folder, pid).take(), true);
      await assert.rejects(own.install(["new"], "promptopt", tell, NO_STOP), /^Error: Another window is installing or removing it/);
      await assert.rejects(own.remove(tell), /^Error: Another window is installing or removing it/);
      assert.deepEqual([calls, server(own)], [[], OLD]);
    });
    stop = () => Promise.resolve();
    await own.remove(tell);
    assert.deepEqual(stored(), []);
  });

  test("is removed as a whole, with what earlier removals have left", async () => {
    const own = installed(fakeRun({}));
    fs.mkdirSync(`${own.folder}.removed-earlier/bin`, { recursive: true });
    await own.remove(tell);
    assert.deepEqual([stored(), steps], [[], []]);
  });

  test("that can only be removed in part is no environment any more, and the rest goes at the next installation", async (context) => {
    const own = installed(fakeRun({ new: "3 12\n" }));
    const held = context.mock.method(fs.promises, "rm", () => Promise.reject(new Error("EBUSY: resource busy")));
    await own.remove(tell);
    assert.deepEqual([own.exists, fs.existsSync(own.folder), stored().length], [false, false, 1]);
    assert.match(String(steps), /can be deleted now; the rest will be at the next installation or removal\. EBUSY/);
    held.mock.restore();
    await own.install(["new"], "promptopt", tell, NO_STOP);
    assert.deepEqual(stored(), ["environment"]);
  });

  test("whose files are in use for longer than a moment stays as it is", async (context) => {
    const own = installed(fakeRun({}));
    const refused = Object.assign(new Error("EBUSY: resource busy"), { code: "EBUSY" });
    const held = context.mock.method(fs.promises, "rename", () => Promise.reject(refused));
    await assert.rejects(own.remove(tell), /^Error: Its files are in use\. Close what uses them and try again\. EBUSY/);
    assert.ok(held.mock.callCount() > 1);
    assert.deepEqual([server(own), stored()], [OLD, ["environment"]]);
  });
});

test("which Python is new enough", () => {
  const versions = ["3 10\n", "3 11", "3 13", "4 0", "2 7", "", "x y"];
  assert.deepEqual(versions.map(isNewEnough), [false, true, true, true, false, false, false]);
});
