/** The settings: which of them the language server knows, and what it is told of them. Pure. */

/** Those of `settings.py`; a test of the Python suite compares this list and `package.json` with it. */
export const SERVER_SETTINGS = ["adapter", "engine", "remoteUrl", "threads", "offline", "logLevel", "idleUnloadSeconds"] as const;

export const SECTION = "promptopt";

/** The part of the section `promptopt` that is meant for the server: it reports whatever it does not know. */
export function forServer(section: unknown): Record<string, unknown> {
  if (typeof section !== "object" || section === null) return {};
  const known = new Map(Object.entries(section));
  return Object.fromEntries(SERVER_SETTINGS.filter((name) => known.has(name)).map((name) => [name, known.get(name)]));
}
