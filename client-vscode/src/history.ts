/** The last rewrites of this window. In memory, and nowhere else. Pure. */

import { Edit, anchored } from "./text";

export const MOST = 20;

/** A rewrite that was made in a document. `start` is an offset in UTF-16 units, as VS Code counts. */
export interface Entry {
  readonly uri: string;
  readonly start: number;
  readonly before: string;
  readonly after: string;
  readonly at: Date;
}

export class History {
  private kept: Entry[] = [];

  add(entry: Entry): void {
    this.kept = [entry, ...this.kept].slice(0, MOST);
  }

  /** The newest first. */
  get entries(): readonly Entry[] {
    return this.kept;
  }
}

/** The edit that puts back what stood there before; undefined where the rewrite is not there any more, or more than once. */
export function undoing(entry: Entry, text: string): Edit | undefined {
  const start = anchored(text, entry.after, entry.start);
  return start < 0 ? undefined : { start, end: start + entry.after.length, text: entry.before };
}
