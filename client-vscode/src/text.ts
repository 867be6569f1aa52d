/** Edits of a text by offsets, and texts for people. Pure. */

/** Replaces what stands from `start` to `end` by `text`. */
export interface Edit {
  readonly start: number;
  readonly end: number;
  readonly text: string;
}

/** `text` with all edits made; they must not overlap. */
export function applied(text: string, edits: readonly Edit[]): string {
  const backwards = [...edits].sort((one, other) => other.start - one.start);
  return backwards.reduce((done, edit) => done.slice(0, edit.start) + edit.text + done.slice(edit.end), text);
}

/** Where `wanted` stands in `text`: at `near` if it is there, else at the only place that has it; -1 for none or several. */
export function anchored(text: string, wanted: string, near: number): number {
  if (wanted === "") return -1;
  if (text.startsWith(wanted, near)) return near;
  const first = text.indexOf(wanted);
  return first >= 0 && text.indexOf(wanted, first + 1) < 0 ? first : -1;
}

/** The beginning of a text on one line of at most `width` characters. */
export function headline(text: string, width: number): string {
  const line = text.trim().replace(/\s+/gu, " ");
  const characters = Array.from(line);
  return characters.length <= width ? line : characters.slice(0, width - 1).join("") + "…";
}

/** What an error says. */
export function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}
