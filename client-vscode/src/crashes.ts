/** When a server that keeps ending is left alone. Pure. */

export const MOST_CRASHES = 4;
export const WITHIN_MS = 3 * 60 * 1000;

/** Counts the ends of a server process that nobody asked for. */
export class Crashes {
  private times: number[] = [];

  constructor(private readonly now: () => number = Date.now) {}

  /** Notes a crash; true when the server should be started again, false when it crashed too often of late. */
  again(): boolean {
    const now = this.now();
    this.times = [...this.times.filter((time) => now - time <= WITHIN_MS), now];
    return this.times.length < MOST_CRASHES;
  }

  /** Forgets them: the user has asked for another start. */
  forget(): void {
    this.times = [];
  }
}
