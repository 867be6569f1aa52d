/** What the windows of an editor tell each other, by files beside a folder that they share. Knows nothing of VS Code. */

import * as fs from "node:fs";
import * as path from "node:path";

const LOOK_MS = 1000;
const BEAT_MS = 10_000;
/** Of a file that was not touched for so long the process is gone, also where another has its number by now. */
export const FRESH_MS = 60_000;

/** Which window changes the folder, one at a time, and which windows run something from it. A window is known by its process. */
export class Sharing {
  private readonly lock: string;
  private readonly users: string;
  private readonly use: string;
  private beaten = 0;

  constructor(
    folder: string,
    private readonly pid = process.pid,
  ) {
    this.lock = `${folder}.lock`;
    this.users = `${folder}.users`;
    this.use = path.join(this.users, String(pid));
  }

  /** The process that changes the folder at this moment, which may be this one; undefined where none does. */
  get changing(): number | undefined {
    return holder(this.lock);
  }

  /** Whether another window changes the folder. */
  get changingElsewhere(): boolean {
    const pid = this.changing;
    return pid !== undefined && pid !== this.pid;
  }

  /** Whether this window has said that it runs something from the folder. */
  get using(): boolean {
    return holder(this.use) === this.pid;
  }

  /** Begins a change. False where one is under way; that of a process that is gone is taken over. */
  take(): boolean {
    fs.mkdirSync(path.dirname(this.lock), { recursive: true });
    if (this.create()) return true;
    if (this.changing !== undefined) return false;
    const aside = `${this.lock}.${String(this.pid)}`;
    try {
      fs.renameSync(this.lock, aside);
      // another window may have taken it over since it was looked at: then that one gets it back
      if (holder(aside) !== undefined) fs.linkSync(aside, this.lock);
    } catch (error) {
      if (!isCode(error, "ENOENT", "EEXIST")) throw error;
    } finally {
      fs.rmSync(aside, { force: true });
    }
    return this.create();
  }

  /** Ends the change that this window has begun. */
  release(): void {
    if (holder(this.lock) === this.pid) fs.rmSync(this.lock, { force: true });
  }

  /** Says that this window runs something from the folder: who changes it later waits for `leave`. */
  enter(): void {
    fs.mkdirSync(this.users, { recursive: true });
    fs.writeFileSync(this.use, String(this.pid));
  }

  leave(): void {
    fs.rmSync(this.use, { force: true });
  }

  /** Whether no other window runs anything from the folder, at the latest after `ms`. */
  async free(ms: number): Promise<boolean> {
    for (const end = Date.now() + ms; this.usedElsewhere(); await new Promise((resolve) => setTimeout(resolve, LOOK_MS / 5)))
      if (Date.now() >= end) return false;
    return true;
  }

  /** Keeps what this window says fresh, and calls `look` each second that it is not at work, until what is returned is called. */
  watch(look: () => Promise<void>): () => void {
    let looking = false;
    const timer = setInterval(() => {
      this.beat();
      if (looking) return;
      looking = true;
      void look().finally(() => {
        looking = false;
      });
    }, LOOK_MS);
    timer.unref();
    return () => {
      clearInterval(timer);
    };
  }

  private create(): boolean {
    try {
      fs.writeFileSync(this.lock, String(this.pid), { flag: "wx" });
      return true;
    } catch (error) {
      if (isCode(error, "EEXIST")) return false;
      throw error;
    }
  }

  private usedElsewhere(): boolean {
    const names = fs.existsSync(this.users) ? fs.readdirSync(this.users) : [];
    const others = names.map((name) => path.join(this.users, name)).filter((file) => file !== this.use);
    const stale = others.filter((file) => holder(file) === undefined);
    for (const file of stale) fs.rmSync(file, { force: true });
    return stale.length < others.length;
  }

  private beat(): void {
    const now = Date.now();
    if (now - this.beaten < BEAT_MS) return;
    this.beaten = now;
    for (const file of [this.lock, this.use]) if (holder(file) === this.pid) fs.utimesSync(file, now / 1000, now / 1000);
  }
}

/** The process that has written a file, while it lives; 0 where another one is at the file at this moment. */
function holder(file: string): number | undefined {
  try {
    if (Date.now() - fs.statSync(file).mtimeMs > FRESH_MS) return undefined;
    const pid = Number(fs.readFileSync(file, "utf8"));
    return pid === 0 || isAlive(pid) ? pid : undefined;
  } catch (error) {
    if (isCode(error, "ENOENT", "ENOTDIR")) return undefined;
    if (isCode(error, "EACCES", "EBUSY", "EPERM")) return 0;
    throw error;
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return isCode(error, "EPERM"); // it is another user's
  }
}

/** Whether an error of the system's has one of these codes. */
export function isCode(error: unknown, ...codes: string[]): boolean {
  return codes.includes((error as NodeJS.ErrnoException).code ?? "");
}
