interface Document {
  readonly uri: { toString(): string };
  readonly settings?: Record<string, unknown>;
  getText(): string;
}

/**
 * What a test gives and looks at. `answers`: the buttons that are picked, one after the other; `cancels`: whether progress is cancelled at once;
 * `picks`: what is done in a quick pick; `offered`: what the last list has offered, whose first item is picked; `applies`: whether edits are;
 * `documents`: those that can be opened, `open`: those that are; `item`: what was made last for the status bar.
 */
export const fake: {
  settings: Record<string, unknown>;
  trusted: boolean;
  shown: string[];
  answers: string[];
  cancels: boolean;
  commands: Record<string, () => Promise<void>>;
  executed: unknown[][];
  tabs: unknown[];
  tabsChanged: (change: { closed: readonly unknown[] }) => void;
  documents: Record<string, Document>;
  open: unknown[];
  editor: { document: Document; selection?: { readonly start: unknown; readonly end: unknown } } | undefined;
  picks: "onDidAccept" | "onDidTriggerItemButton";
  offered: readonly string[];
  applied: unknown[];
  applies: boolean;
  item: { text: string; tooltip: string };
};
