/** The extension's own virtual environment, in which the user may have the server installed. Knows nothing of VS Code. */

import * as fs from "node:fs";
import * as path from "node:path";

import { programs, serverName } from "./discovery";

const LEAST_PYTHON = [3, 11] as const;
const INSTALL_TIMEOUT_MS = 15 * 60 * 1000;
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

/** Makes, updates and removes the environment at `folder`. */
export class OwnEnvironment {
  private busy = false;

  constructor(
    readonly folder: string,
    private readonly windows: boolean,
    private readonly run: Run,
  ) {}

  /** Whether the server is in it; what an interrupted installation has left is no environment. */
  get exists(): boolean {
    return fs.existsSync(path.join(programs(this.folder, this.windows), serverName(this.windows)));
  }

  /**
   * Installs `what` (as pip takes it), or updates it. `tell` gets a sentence for each step. When the first installation
   * fails or is cancelled nothing of it is left.
   */
  async install(pythons: readonly string[], what: string, tell: (step: string) => void, signal: AbortSignal): Promise<void> {
    this.refuseWhileBusy();
    this.busy = true;
    const before = this.exists;
    const home = path.dirname(this.folder);
    const how = { cwd: home, signal, timeout: INSTALL_TIMEOUT_MS };
    try {
      fs.mkdirSync(home, { recursive: true });
      if (!before) {
        tell("Looking for Python…");
        const python = await this.python(pythons, home);
        tell("Making a virtual environment…");
        this.delete();
        await this.run(python, [SAFE_PATH, "-m", "venv", this.folder], how);
      }
      tell(`Installing ${what}…`);
      const own = path.join(programs(this.folder, this.windows), this.windows ? "python.exe" : "python");
      await this.run(own, [SAFE_PATH, "-m", "pip", "install", "--disable-pip-version-check", "--upgrade", what], how);
    } catch (error) {
      if (!before) this.delete();
      throw error;
    } finally {
      this.busy = false;
    }
  }

  /** Removes the environment and everything in it. */
  remove(): void {
    this.refuseWhileBusy();
    this.delete();
  }

  private delete(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  private refuseWhileBusy(): void {
    if (this.busy) throw new Error("It is being installed at this moment.");
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

/** Whether "3 12" is a version that the server runs on. */
export function isNewEnough(printed: string): boolean {
  const [major, minor] = printed.trim().split(" ").map(Number);
  if (major === undefined || minor === undefined) return false;
  return major > LEAST_PYTHON[0] || (major === LEAST_PYTHON[0] && minor >= LEAST_PYTHON[1]);
}
