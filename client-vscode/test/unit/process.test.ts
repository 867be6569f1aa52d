import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import * as fs from "node:fs";
import * as os from "node:os";
import * as path from "node:path";
import { describe, test } from "node:test";

import { Failed, exited, output, within } from "../../src/process";

/** Runs a program of Node's; what it is rejected with. */
async function failure(program: string): Promise<Failed> {
  const error: unknown = await output(process.execPath, ["-e", program]).catch((error: unknown) => error);
  assert.ok(error instanceof Failed);
  return error;
}

describe("a program", () => {
  test("gives what it prints", async () => {
    assert.equal(await output(process.execPath, ["-e", "console.log('3 12')"]), "3 12\n");
  });

  test("that fails says so in its last line that begins with an error, whatever advice comes after it; all it has printed is kept", async () => {
    const lines = ["ERROR: No matching distribution found for promptopt", "hint: See above for details."];
    const { message, printed } = await failure(
      `console.log("Looking"); console.error(${JSON.stringify(lines.join("\n"))}); process.exit(1)`,
    );
    assert.equal(message, lines[0]);
    assert.equal(printed, ["Looking", ...lines].join("\n"));
  });

  test("that fails without such a line says its last lines, also those on standard output", async () => {
    const said = "ensurepip is not\\navailable: install\\n\\n    python3-venv\\n";
    const { message } = await failure(`console.log("${said}"); process.exit(1)`);
    assert.equal(message, "ensurepip is not available: install python3-venv");
  });

  test("that ends in a traceback says its exception", async () => {
    const { message } = await failure(
      `console.error("Traceback:\\n  File x\\nModuleNotFoundError: No module named 'y'\\n"); process.exit(1)`,
    );
    assert.equal(message, "ModuleNotFoundError: No module named 'y'");
  });

  test("that is not there says that", async () => {
    await assert.rejects(output("/nowhere/promptopt-lsp", []), /ENOENT/);
  });

  test("that is ended early has ended when that is told: else it would go on writing", { skip: process.platform === "win32" }, async () => {
    const file = path.join(fs.mkdtempSync(path.join(os.tmpdir(), "promptopt-")), "written");
    const late = `setTimeout(() => { fs.writeFileSync(file, "at the end"); process.exit(); }, 200)`;
    const program = `const file = ${JSON.stringify(file)}; process.on("SIGTERM", () => ${late}); fs.writeFileSync(file, ""); setInterval(() => 0, 1000)`;
    const stop = new AbortController();
    const run = output(process.execPath, ["-e", program], { signal: stop.signal });
    const looking = setInterval(() => {
      if (fs.existsSync(file)) stop.abort();
    }, 10);
    await assert.rejects(run, /aborted/);
    clearInterval(looking);
    assert.equal(fs.readFileSync(file, "utf8"), "at the end");
    fs.rmSync(path.dirname(file), { recursive: true });
  });
});

test("the end of a process is waited for, for so long and no longer; one that has ended, or never was, is no wait", async () => {
  const child = spawn(process.execPath, ["-e", "setInterval(() => 0, 1000)"]);
  assert.equal(await within(1, exited(child)), false);
  child.kill("SIGKILL");
  assert.equal(await within(60_000, exited(child)), true);
  await exited(child);
  const none = spawn("/nowhere/promptopt-lsp").on("error", () => undefined);
  await exited(none);
});
