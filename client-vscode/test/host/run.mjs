// Runs suite.ts in the extension host of an editor, with the packaged extension and the real server.
import { existsSync, readFileSync } from "node:fs";
import path from "node:path";

import { newHome, startEditor } from "../editor/code-server.mjs";
import { CLIENT } from "../editor/places.mjs";
import { until } from "../editor/until.mjs";
import { openWindow } from "../editor/window.mjs";

const PATIENCE_MS = 900_000;
const home = newHome();
const results = path.join(home, "results.json");
const driver = ["--vscode-option", "enable-smoke-test-driver"]; // without it the paths below are ignored
const editor = await startEditor(home, { env: { PROMPTOPT_TEST_RESULTS: results }, options: driver });
try {
  const remote = `vscode-remote://${editor.authority}`;
  const payload = [
    ["extensionDevelopmentPath", `${remote}${CLIENT}/test/host/stub`],
    ["extensionTestsPath", `${remote}${CLIENT}/out/host/suite.js`],
  ];
  const window = await openWindow(editor.address({ folder: editor.workspace, payload: JSON.stringify(payload) }));
  try {
    await until("the results", () => existsSync(results) || undefined, PATIENCE_MS);
  } finally {
    await window.picture("host");
    await window.close();
  }
  const outcomes = JSON.parse(readFileSync(results, "utf8"));
  for (const { name, problem } of outcomes) console.log(problem ? `not ok: ${name}: ${problem}` : `ok: ${name}`);
  if (outcomes.some(({ problem }) => problem)) process.exitCode = 1;
} finally {
  await editor.stop();
}
