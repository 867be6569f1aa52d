import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Failed, output } from "../../src/process";

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
});
