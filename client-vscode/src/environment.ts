/** The extension's own virtual environment, in which the user may have the server installed. Knows nothing of VS Code. */

import { randomUUID } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

import { programs, serverName } from "./discovery";
import { Sharing, isCode } from "./sharing";
import { sentence } from "./text";

const LEAST_PYTHON = [3, 11] as const;
const INSTALL_TIMEOUT_MS = 15 * 60 * 1000;
const PATIENCE_MS = 15_000;
// Windows holds the files of a program for a moment after its end, and a virus scanner those that are new
const HELD = ["EACCES", "EBUSY", "EPERM"];
const REMOVED = ".removed-";
const AGAIN = { maxRetries: 5, retryDelay: 200 };
// else a file venv.py or pip.py of the working directory, which may be a workspace that nobody trusts, would be run in the place of Python's own
const SAFE_PATH = "-P";
// where it has no ensurepip, as Debian's without python3-venv, it makes no environments
const ASK_VERSION = "import sys, ensurepip; print(*sys.version_info[:2])";

/** What is said of a run beside its arguments: where it runs, what ends it early, and after how many milliseconds it is ended. */
export interface How {
  readonly cwd?: string;
  readonly signal?: AbortSignal;
  readonly timeout?: number;
}

export type Run = (file: string, args: readonly string[], how?: How) => Promise<string>;

/** Gets a sentence for the user. */
export type Tell = (sentence: string) => void;

/**
 * Makes, updates and removes the environment at `folder`, one window at a time. `stop` ends what this window runs from it, and rejects where
 * that does not end; other windows have `patience` milliseconds for it.
 */
export class OwnEnvironment {
  readonly sharing: Sharing;

  constructor(
    readonly folder: string,
    private readonly windows: boolean,
    private readonly run: Run,
    private readonly stop: () => Promise<void>,
    private readonly patience = PATIENCE_MS,
  ) {
    this.sharing = new Sharing(folder);
  }

  /** Whether the server is in it; what an interrupted installation has left is no environment. */
  get exists(): boolean {
    return fs.existsSync(path.join(programs(this.folder, this.windows), serverName(this.windows)));
  }

  /**
   * Installs `what` (as pip takes it), or updates it. `tell` gets a sentence for each step. When that fails or is cancelled what was there
   * before is there again: nothing, or the environment as it was.
   */
  async install(pythons: readonly string[], what: string, tell: Tell, signal: AbortSignal): Promise<void> {
    await this.alone(async () => {
      const home = path.dirname(this.folder);
      const how = { cwd: home, signal, timeout: INSTALL_TIMEOUT_MS };
      const own = path.join(programs(this.folder, this.windows), this.windows ? "python.exe" : "python");
      const before = this.exists;
      tell("Looking for Python…");
      const python = await this.python(before ? [...pythons, own] : pythons, home);
      // the scripts of an environment name its path: the new one can only be made where it will be, with the old one out of the way
      await this.vacate();
      const aside = await this.setAside();
      const maker = python.startsWith(this.folder + path.sep) ? path.join(aside, path.relative(this.folder, python)) : python;
      try {
        tell("Making a virtual environment…");
        await this.run(maker, [SAFE_PATH, "-m", "venv", this.folder], how);
        tell(`Installing ${what}…`);
        await this.run(own, [SAFE_PATH, "-m", "pip", "install", "--disable-pip-version-check", "--upgrade", what], how);
      } catch (error) {
        await this.setAside();
        if (before) await move(aside, this.folder);
        await this.sweep(tell);
        throw error;
      }
      await this.sweep(tell);
    });
  }

  /** Removes the environment and everything in it; `tell` gets a sentence where files of it have to stay for now. */
  async remove(tell: Tell): Promise<void> {
    await this.alone(async () => {
      await this.vacate();
      await this.setAside();
      await this.sweep(tell);
    });
  }

  /** Does `work` while no other window changes the environment. */
  private async alone(work: () => Promise<void>): Promise<void> {
    if (!this.sharing.take()) {
      const who = this.sharing.changingElsewhere ? "Another window" : "This window";
      throw new Error(`${who} is installing or removing it at this moment.`);
    }
    try {
      await work();
    } finally {
      this.sharing.release();
    }
  }

  /** Has the servers end that run from the environment, in this window and in others. */
  private async vacate(): Promise<void> {
    if (!this.exists) return;
    await this.stop();
    if (await this.sharing.free(this.patience)) return;
    throw new Error("The language server of another window still runs from it. Close that window and try again.");
  }

  /** Moves what is at `folder`, if anything, to a name that no environment has; gives that name. */
  private async setAside(): Promise<string> {
    const aside = `${this.folder}${REMOVED}${randomUUID()}`;
    if (fs.existsSync(this.folder)) await move(this.folder, aside);
    return aside;
  }

  /** Deletes what was set aside, also earlier on. */
  private async sweep(tell: Tell): Promise<void> {
    const home = path.dirname(this.folder);
    const names = (await fs.promises.readdir(home)).filter((name) => name.startsWith(path.basename(this.folder) + REMOVED));
    for (const aside of names.map((name) => path.join(home, name))) {
      try {
        await fs.promises.rm(aside, { recursive: true, force: true, ...AGAIN });
      } catch (error) {
        tell(`Not all of ${aside} can be deleted now; the rest will be at the next installation or removal. ${sentence(error)}`);
      }
    }
  }

  /** The first of `pythons` that is new enough and can make environments. */
  private async python(pythons: readonly string[], cwd: string): Promise<string> {
    for (const python of pythons) {
      const printed = await this.run(python, [SAFE_PATH, "-c", ASK_VERSION], { cwd }).catch(() => "");
      if (isNewEnough(printed)) return python;
    }
    const least = `Python ${LEAST_PYTHON.join(".")} or newer`;
    throw new Error(`No ${least} with venv was found. Install one from python.org (on Debian or Ubuntu also python3-venv) and try again.`);
  }
}

/** Renames a folder; tries again where its files are held. */
async function move(from: string, to: string): Promise<void> {
  for (let left = AGAIN.maxRetries; ; left--) {
    try {
      await fs.promises.rename(from, to);
      return;
    } catch (error) {
      if (!isCode(error, ...HELD)) throw error;
      if (left === 0) throw new Error(`Its files are in use. Close what uses them and try again. ${sentence(error)}`, { cause: error });
    }
    await new Promise((resolve) => setTimeout(resolve, AGAIN.retryDelay));
  }
}

/** Whether "3 12" is a version that the server runs on. */
export function isNewEnough(printed: string): boolean {
  const [major, minor] = printed.trim().split(" ").map(Number);
  if (major === undefined || minor === undefined) return false;
  return major > LEAST_PYTHON[0] || (major === LEAST_PYTHON[0] && minor >= LEAST_PYTHON[1]);
}
