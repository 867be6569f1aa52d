// What the tests share that have an editor of their own each.
import { mkdirSync, writeFileSync } from "node:fs";
import path from "node:path";

import { startEditor } from "./code-server.mjs";
import { openWindow } from "./window.mjs";

export const PROMPT = "create function";
export const MISSING = "the language server is not on this machine";

/** Does `work` in a window of an editor of its own. `query` says what is open, by its default the workspace. */
export async function inEditor(home, options, work, query = { folder: path.join(home, "workspace") }) {
  const editor = await startEditor(home, options);
  try {
    const window = await openWindow(editor.address(query));
    try {
      await window.watched(() => work(window, editor));
    } finally {
      await window.close();
    }
  } finally {
    await editor.stop();
  }
}

/** Writes a file and the folders above it. */
export function put(file, text, mode = 0o644) {
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, text, { mode });
  return file;
}

/** What is in the file once its prompt was rewritten, with `sign` in it, and saved. */
export async function rewritten(window, file, sign) {
  await window.select(path.basename(file), PROMPT);
  await window.page.keyboard.press("Control+Alt+J");
  await window.shows(sign);
  return window.saved(file, `${PROMPT}\n`);
}
