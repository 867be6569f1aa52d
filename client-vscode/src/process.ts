/** Runs other programs. */

import { execFile } from "node:child_process";

const TIMEOUT_MS = 20_000;

/** What a program prints on standard output. Rejects with its last line on standard error when it fails. */
export function output(file: string, args: readonly string[], signal?: AbortSignal, timeout = TIMEOUT_MS): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { signal, timeout, windowsHide: true, encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr.trim().split("\n").pop()?.trim() || error.message));
    });
  });
}
