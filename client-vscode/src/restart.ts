/** Runs one start or stop at a time. Pure. */

/**
 * A queue for restarts: one runs, at most one waits. Whoever asks while one waits already shares that one, so that ten
 * changes of a setting are two restarts and not ten.
 */
export class RestartQueue {
  private running: Promise<void> | undefined;
  private waiting: Promise<void> | undefined;

  constructor(private readonly work: () => Promise<void>) {}

  /** Whether one runs or waits. */
  get busy(): boolean {
    return this.running !== undefined || this.waiting !== undefined;
  }

  /** Resolves when a run that began after this call has ended; rejects as that run does. */
  run(): Promise<void> {
    if (this.running === undefined) return this.begin();
    this.waiting ??= this.after(this.running);
    return this.waiting;
  }

  /** Resolves when none runs or waits. */
  async idle(): Promise<void> {
    while (this.busy) await Promise.allSettled([this.running, this.waiting]);
  }

  private begin(): Promise<void> {
    this.running = this.work().finally(() => {
      this.running = undefined;
    });
    return this.running;
  }

  private async after(running: Promise<void>): Promise<void> {
    await Promise.allSettled([running]);
    this.waiting = undefined;
    return this.begin();
  }
}
