/** The history on disk, for a user who wants that: a file for each workspace, all in one folder. Knows nothing of VS Code. */

import { createHash } from "node:crypto";
import * as fs from "node:fs";
import * as path from "node:path";

import { Entry, History, MOST } from "./history";
import { sentence } from "./text";

/** Of a file. */
export const MOST_BYTES = 256 * 1024;
export const MOST_FILES = 20;

const FORMAT = 1;
const SERVED = /^(file|untitled):/;

/** Where the history is stored: for this workspace, for others only, or nowhere. */
export type Storing = "here" | "not here" | "never";

/** What follows from the setting, the trust in the workspace, and its name; a window without one has nothing that it could be found by. */
export function storing(wanted: unknown, trusted: boolean, workspace: string | undefined): Storing {
  if (wanted !== true) return "never";
  return trusted && workspace !== undefined ? "here" : "not here";
}

/** The history of this window, and of those before it as far as it was stored. What cannot be stored or read is told, and no more than a history. */
export class StoredHistory {
  private readonly history = new History();
  private stored = false;

  constructor(
    private readonly store: Store,
    private readonly tell: (problem: string) => void,
  ) {}

  /** The newest first. */
  get entries(): readonly Entry[] {
    return this.history.entries;
  }

  add(entry: Entry): void {
    this.history.add(entry);
    if (this.stored) this.write();
  }

  /** Stores from now on, or no more: then what was stored is deleted, in every workspace or in this one. */
  follow(wish: Storing): void {
    const before = this.stored;
    this.stored = wish === "here";
    if (wish !== "here") this.delete(wish);
    else if (!before) this.recall();
  }

  private recall(): void {
    try {
      this.history.recall(this.store.read());
    } catch (error) {
      this.tell(sentence(error));
    }
    if (this.entries.length > 0) this.write();
  }

  private write(): void {
    try {
      this.store.write(this.entries);
    } catch (error) {
      this.stored = false;
      this.tell(`The history cannot be stored and is kept in memory only: ${sentence(error)}`);
    }
  }

  private delete(wish: Storing): void {
    try {
      if (wish === "never") this.store.clear();
      else this.store.forget();
    } catch (error) {
      this.tell(`The stored history cannot be deleted: ${sentence(error)}`);
    }
  }
}

/** The file of one workspace among those of all. */
export class Store {
  private readonly file: string;

  constructor(
    private readonly folder: string,
    workspace: string,
  ) {
    this.file = path.join(folder, `${createHash("sha256").update(workspace).digest("hex")}.json`);
  }

  /** What was written last. A file that is no history is set aside; then throws, and says where it is. */
  read(): Entry[] {
    if (!fs.existsSync(this.file)) return [];
    const entries = fs.statSync(this.file).size > MOST_BYTES ? undefined : parsed(fs.readFileSync(this.file, "utf8"));
    if (entries !== undefined) return entries;
    const aside = `${this.file}.damaged`;
    fs.renameSync(this.file, aside);
    throw new Error(`The stored history was damaged and begins anew. The damaged file is ${aside}.`);
  }

  /** Puts a new file in the place of the one before, in one step; of too many files the oldest go. */
  write(entries: readonly Entry[]): void {
    fs.mkdirSync(this.folder, { recursive: true, mode: 0o700 });
    const written = `${this.file}.${String(process.pid)}`;
    try {
      fs.writeFileSync(written, JSON.stringify(content(entries)), { mode: 0o600 });
      fs.renameSync(written, this.file);
    } finally {
      fs.rmSync(written, { force: true });
    }
    this.prune();
  }

  /** Deletes what this workspace has. */
  forget(): void {
    for (const file of [this.file, `${this.file}.damaged`]) fs.rmSync(file, { force: true });
  }

  /** Deletes what all workspaces have. */
  clear(): void {
    fs.rmSync(this.folder, { recursive: true, force: true });
  }

  private prune(): void {
    const files = fs.readdirSync(this.folder).map((name) => {
      const file = path.join(this.folder, name);
      return { file, time: fs.statSync(file, { throwIfNoEntry: false })?.mtimeMs ?? 0 };
    });
    files.sort((one, other) => other.time - one.time);
    for (const { file } of files.slice(MOST_FILES)) fs.rmSync(file, { force: true });
  }
}

/** What a file has: as many entries as it may have, the newest first; one that does not fit is left out. */
function content(entries: readonly Entry[]): { format: number; entries: Entry[] } {
  const bytes = (value: unknown): number => Buffer.byteLength(JSON.stringify(value)) + 1;
  let room = MOST_BYTES - bytes({ format: FORMAT, entries: [] });
  const fitting = entries.slice(0, MOST).filter((entry) => {
    const fits = bytes(entry) <= room;
    if (fits) room -= bytes(entry);
    return fits;
  });
  return { format: FORMAT, entries: fitting };
}

/** The entries in the text of a file; undefined where it is damaged. What the parser says of it is dropped: it would quote a prompt. */
function parsed(text: string): Entry[] | undefined {
  let data: unknown;
  try {
    data = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { format, entries } = fields(data);
  if (format !== FORMAT || !Array.isArray(entries)) return undefined;
  const read = entries.map(entry);
  return read.every((each) => each !== undefined) ? read : undefined;
}

function entry(data: unknown): Entry | undefined {
  const { uri, start, before, after, at } = fields(data);
  if (typeof uri !== "string" || !SERVED.test(uri) || typeof start !== "number" || !Number.isSafeInteger(start) || start < 0)
    return undefined;
  if (typeof before !== "string" || typeof after !== "string" || typeof at !== "string") return undefined;
  const time = new Date(at);
  return Number.isNaN(time.getTime()) ? undefined : { uri, start, before, after, at: time };
}

function fields(data: unknown): Record<string, unknown> {
  return typeof data === "object" && data !== null ? (data as Record<string, unknown>) : {};
}
