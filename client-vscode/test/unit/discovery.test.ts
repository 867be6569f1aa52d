import assert from "node:assert/strict";
import * as path from "node:path";
import { describe, test } from "node:test";

import { Machine, Places, candidates, findServer, interpreter } from "../../src/discovery";

const NOWHERE: Places = { setting: "", path: [], folders: [], python: "", own: "/own" };
const EVERYWHERE: Places = { setting: "", path: ["/usr/bin"], folders: ["/project"], python: "/conda/bin/python", own: "/own" };

/** A machine that has `files`, each with what its --version prints; an Error for one that does not run. */
function machine(files: Record<string, string | Error>, windows = false): Machine {
  return {
    windows,
    exists: (file) => file in files,
    version: (file) => {
      const printed = files[file];
      return typeof printed === "string" ? Promise.resolve(printed) : Promise.reject(printed ?? new Error("not there"));
    },
  };
}

const RUNS = "promptopt-lsp 0.1.0\n";

describe("where the server is looked for", () => {
  test("PATH, the workspace, the selected Python, the own environment, in this order", () => {
    assert.deepEqual(candidates(EVERYWHERE, false), [
      { origin: "PATH", file: "/usr/bin/promptopt-lsp" },
      { origin: "workspace", file: "/project/.venv/bin/promptopt-lsp" },
      { origin: "workspace", file: "/project/venv/bin/promptopt-lsp" },
      { origin: "selected Python", file: "/conda/bin/promptopt-lsp" },
      { origin: "own environment", file: "/own/bin/promptopt-lsp" },
    ]);
  });

  test("a setting leaves no other choice", () => {
    assert.deepEqual(candidates({ ...EVERYWHERE, setting: "/mine" }, false), [{ origin: "setting", file: "/mine" }]);
  });

  test("a relative entry of PATH is passed over: it would mean the open folder", () => {
    const places = { ...NOWHERE, path: ["", ".", "bin", "/bin"] };
    assert.deepEqual(
      candidates(places, false).map((each) => each.file),
      ["/bin/promptopt-lsp", "/own/bin/promptopt-lsp"],
    );
  });

  test("on Windows the file has an ending and lies in Scripts", () => {
    const own = path.join("/own", "Scripts", "promptopt-lsp.exe");
    assert.deepEqual(candidates(NOWHERE, true), [{ origin: "own environment", file: own }]);
  });
});

describe("which server is taken", () => {
  test("the first that is there and runs", async () => {
    const found = await findServer(EVERYWHERE, machine({ "/conda/bin/promptopt-lsp": RUNS, "/own/bin/promptopt-lsp": RUNS }));
    assert.deepEqual(found, {
      kind: "found",
      candidate: { origin: "selected Python", file: "/conda/bin/promptopt-lsp" },
      version: "0.1.0",
    });
  });

  test("one that does not run is passed over for one that does", async () => {
    const files = { "/usr/bin/promptopt-lsp": new Error("bad interpreter"), "/own/bin/promptopt-lsp": RUNS };
    const found = await findServer(EVERYWHERE, machine(files));
    assert.equal(found.kind === "found" && found.candidate.origin, "own environment");
  });

  test("one that does not run is named when no other does", async () => {
    const files = { "/usr/bin/promptopt-lsp": new Error("bad interpreter"), "/own/bin/promptopt-lsp": new Error("later") };
    assert.deepEqual(await findServer(EVERYWHERE, machine(files)), {
      kind: "broken",
      candidate: { origin: "PATH", file: "/usr/bin/promptopt-lsp" },
      reason: "bad interpreter",
    });
  });

  test("another program of that name is not taken", async () => {
    const found = await findServer(EVERYWHERE, machine({ "/usr/bin/promptopt-lsp": "hello 1.0" }));
    assert.equal(found.kind === "broken" && found.reason, "it is not a promptopt-lsp");
  });

  test("a setting that names nothing is said, and nothing else is run", async () => {
    const found = await findServer({ ...EVERYWHERE, setting: "/gone" }, machine({ "/usr/bin/promptopt-lsp": RUNS }));
    assert.deepEqual(found, { kind: "broken", candidate: { origin: "setting", file: "/gone" }, reason: "there is no such file" });
  });

  test("a setting that is no absolute path is said: it would mean whatever folder is open", async () => {
    for (const setting of ["bin/promptopt-lsp", "~/bin/promptopt-lsp", "promptopt-lsp"]) {
      const found = await findServer({ ...EVERYWHERE, setting }, machine({ [setting]: RUNS }));
      assert.deepEqual(found, { kind: "broken", candidate: { origin: "setting", file: setting }, reason: "it is no absolute path" });
    }
  });

  test("nothing anywhere is missing", async () => {
    assert.deepEqual(await findServer(EVERYWHERE, machine({})), { kind: "missing" });
  });
});

describe("the interpreter that is selected in the Python extension", () => {
  const selecting = (path: string) => ({ environments: { getActiveEnvironmentPath: () => ({ path }) } });
  const extension = (exports: unknown, isActive = true) => ({ isActive, exports, activate: () => Promise.resolve(exports) });

  test("is taken, whether the extension is active already or not", async () => {
    assert.equal(await interpreter(extension(selecting("/conda/bin/python"))), "/conda/bin/python");
    assert.equal(
      await interpreter({ ...extension(undefined, false), activate: () => Promise.resolve(selecting("/a/python")) }),
      "/a/python",
    );
  });

  test("is none where it is no absolute path, and without the extension", async () => {
    assert.equal(await interpreter(extension(selecting("python"))), "");
    assert.equal(await interpreter(undefined), "");
  });

  test("is none, and holds nothing up, where the extension fails or has another interface", async () => {
    assert.equal(await interpreter({ ...extension(undefined, false), activate: () => Promise.reject(new Error("broken")) }), "");
    const answers = { environments: { getActiveEnvironmentPath: () => undefined } };
    for (const exports of [undefined, null, {}, { environments: {} }, answers]) assert.equal(await interpreter(extension(exports)), "");
  });
});
