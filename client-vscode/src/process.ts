/** Runs other programs. */

import { ChildProcess, execFile } from "node:child_process";

import { How } from "./environment";

const TIMEOUT_MS = 20_000;
const ABORT_MS = 5000;
const LAST_LINES = 3;
const ERROR_LINE = /^[\w.]*error\b/i;

/** A program that has failed: the lines that say why as its message, and all that it has printed. */
export class Failed extends Error {
  constructor(
    message: string,
    readonly printed: string,
  ) {
    super(message);
  }
}

/** What a program prints on standard output. Rejects with a Failed when it fails, or was ended early, and its process is gone. */
export function output(file: string, args: readonly string[], how: How = {}): Promise<string> {
  return new Promise((resolve, reject) => {
    const child = execFile(file, args, { timeout: TIMEOUT_MS, ...how, windowsHide: true, encoding: "utf8" }, (error, stdout, stderr) => {
      if (error === null) {
        resolve(stdout);
        return;
      }
      const printed = [stdout, stderr].map((each) => each.trim()).join("\n");
      // an abort is told before the process has ended, which would go on writing for a moment
      void within(ABORT_MS, exited(child)).then(() => {
        reject(new Failed(reason(printed) || error.message, printed.trim()));
      });
    });
  });
}

/** Resolves when the process of `child` has ended, or where it never had one. */
export function exited(child: ChildProcess): Promise<void> {
  if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return Promise.resolve();
  return new Promise((resolve) => {
    child.once("exit", () => {
      resolve();
    });
  });
}

/** Whether `work` resolves within `ms` milliseconds. */
export async function within(ms: number, work: Promise<unknown>): Promise<boolean> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<false>((resolve) => {
    timer = setTimeout(resolve, ms, false);
  });
  try {
    return await Promise.race([work.then(() => true), late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Why a program has failed: the last line that begins with an error, else its last lines. Empty where it has printed nothing. */
export function reason(printed: string): string {
  const lines = printed.split("\n").map((line) => line.trimEnd());
  const line = lines.filter((each) => ERROR_LINE.test(each)).pop();
  if (line !== undefined) return line;
  return lines
    .map((each) => each.trim())
    .filter(Boolean)
    .slice(-LAST_LINES)
    .join(" ");
}
