/** Runs other programs. */

import { execFile } from "node:child_process";

import { How } from "./environment";

const TIMEOUT_MS = 20_000;

/** What a program prints on standard output. Rejects with its last line on standard error when it fails. */
export function output(file: string, args: readonly string[], how: How = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    execFile(file, args, { timeout: TIMEOUT_MS, ...how, windowsHide: true, encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) resolve(stdout);
      else reject(new Error(stderr.trim().split("\n").pop()?.trim() || error.message));
    });
  });
}
