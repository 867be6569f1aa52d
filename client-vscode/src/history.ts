/** The last rewrites of this window, in memory, and those that are about to be made. Pure. */

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

  /** Puts the rewrites of earlier windows behind those of this one. */
  recall(earlier: readonly Entry[]): void {
    this.kept = [...this.kept, ...earlier].slice(0, MOST);
  }

  /** The newest first. */
  get entries(): readonly Entry[] {
    return this.kept;
  }
}

/** Rewrites that are about to be applied, one at most in each document. */
export class Announced<Rewrite extends Entry> {
  private readonly waiting = new WeakMap<object, Rewrite>();

  /** One that changes nothing has no change that could be waited for. */
  add(document: object, rewrite: Rewrite): void {
    if (rewrite.before === rewrite.after) this.waiting.delete(document);
    else this.waiting.set(document, rewrite);
  }

  /** The rewrite, where this change has put it in its place; else the user was faster, and it will be refused. */
  changed(document: object, text: () => string): Rewrite | undefined {
    const rewrite = this.waiting.get(document);
    this.waiting.delete(document);
    return rewrite !== undefined && text().startsWith(rewrite.after, rewrite.start) ? rewrite : undefined;
  }
}

/** The edit that puts back what stood there before; undefined where the rewrite is not there any more, or more than once. */
export function undoing(entry: Entry, text: string): Edit | undefined {
  const start = anchored(text, entry.after, entry.start);
  return start < 0 ? undefined : { start, end: start + entry.after.length, text: entry.before };
}
