// Bundles the extension, or with --tests each unit test, for Node.
import { copyFileSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import * as esbuild from "esbuild";

const flags = new Set(process.argv.slice(2));
const shared = { bundle: true, platform: "node", target: "node20", format: "cjs", logLevel: "warning" };

if (flags.has("--tests")) {
  const entryPoints = readdirSync("test/unit").map((name) => `test/unit/${name}`);
  const alias = { vscode: path.resolve("test/fake/vscode.cjs") };
  await esbuild.build({ ...shared, alias, entryPoints, outdir: "out/unit", sourcemap: "inline" });
} else if (flags.has("--host")) {
  await esbuild.build({ ...shared, entryPoints: ["test/host/suite.ts"], outdir: "out/host", external: ["vscode"] });
} else {
  const production = flags.has("--production");
  const outfile = "dist/extension.js";
  if (production) {
    copyFileSync("../LICENSE", "LICENSE");
    // an editor shows pictures of a README from an address only; those of the package are in the walkthrough
    mkdirSync("dist", { recursive: true });
    writeFileSync("dist/README.md", readFileSync("README.md", "utf8").replace(/^!\[.*\]\(media\/.*\)\n\n/gm, ""));
  }
  await esbuild.build({
    ...shared,
    entryPoints: ["src/extension.ts"],
    outfile,
    external: ["vscode"],
    minify: production,
    sourcemap: !production,
  });
}
