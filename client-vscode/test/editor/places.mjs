// Where things are.
import path from "node:path";

export const CLIENT = path.resolve(import.meta.dirname, "../..");
/** Where install.mjs puts code-server, the Node that runs it, and Chromium's driver. */
export const EDITOR = path.join(CLIENT, ".editor");
export const MODULES = path.join(EDITOR, "node_modules");
export const CHROMIUM = "/usr/bin/chromium";
/** The server of the repository's own environment. */
export const SERVER = path.resolve(CLIENT, "../.venv/bin/promptopt-lsp");
export const VSIX = path.join(CLIENT, "dist/promptopt.vsix");
/** Where the suites leave their pictures. */
export const PICTURES = path.join(CLIENT, "out/pictures");
