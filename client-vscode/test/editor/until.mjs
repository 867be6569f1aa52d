/** How long anything may take: a machine that does other things too starts an editor slowly. */
export const PATIENCE_MS = 180_000;

/** What `probe` gives once it gives something. */
export async function until(what, probe, patience = PATIENCE_MS) {
  for (const end = Date.now() + patience; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 100))) {
    const value = await probe();
    if (value !== undefined) return value;
  }
  throw new Error(`waited in vain for ${what}`);
}
