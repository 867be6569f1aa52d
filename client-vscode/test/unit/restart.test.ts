import assert from "node:assert/strict";
import { describe, test } from "node:test";

import { Crashes, MOST_CRASHES, WITHIN_MS } from "../../src/crashes";
import { RestartQueue } from "../../src/restart";

/** Work that ends when it is told to. */
function controlled() {
  const ends: ((error?: Error) => void)[] = [];
  let together = 0;
  let most = 0;
  const work = () =>
    new Promise<void>((resolve, reject) => {
      most = Math.max(most, ++together);
      ends.push((error) => {
        together--;
        if (error) reject(error);
        else resolve();
      });
    });
  return { work, ends, most: () => most };
}

const settled = () => new Promise((resolve) => setImmediate(resolve));

describe("the queue of restarts", () => {
  test("runs at once when nothing runs", async () => {
    const { work, ends } = controlled();
    const run = new RestartQueue(work).run();
    assert.equal(ends.length, 1);
    ends[0]?.();
    await run;
  });

  test("ten wishes during a run are one more run, and never two at a time", async () => {
    const { work, ends, most } = controlled();
    const queue = new RestartQueue(work);
    const first = queue.run();
    const others = Array.from({ length: 10 }, () => queue.run());
    assert.equal(ends.length, 1);
    ends[0]?.();
    await first;
    await settled();
    assert.equal(ends.length, 2);
    ends[1]?.();
    await Promise.all(others);
    assert.equal(ends.length, 2);
    assert.equal(most(), 1);
  });

  test("a run that failed holds up none of the next", async () => {
    const { work, ends } = controlled();
    const queue = new RestartQueue(work);
    const first = queue.run();
    const second = queue.run();
    ends[0]?.(new Error("did not start"));
    await assert.rejects(first, /did not start/);
    await settled();
    ends[1]?.();
    await second;
    const third = queue.run();
    assert.equal(ends.length, 3);
    ends[2]?.();
    await third;
  });

  test("is busy from the first wish to the end of the last run, also where one fails", async () => {
    const { work, ends } = controlled();
    const queue = new RestartQueue(work);
    assert.equal(queue.busy, false);
    const runs = [queue.run(), queue.run()];
    assert.equal(queue.busy, true);
    ends[0]?.();
    await runs[0];
    assert.equal(queue.busy, true);
    await settled();
    ends[1]?.(new Error("did not start"));
    await Promise.allSettled(runs);
    assert.equal(queue.busy, false);
  });

  test("is idle once no run goes on or waits, also after one that failed", async () => {
    const { work, ends } = controlled();
    const queue = new RestartQueue(work);
    await queue.idle();
    const runs = [queue.run(), queue.run()];
    const idle = queue.idle().then(() => queue.busy);
    ends[0]?.(new Error("did not start"));
    await assert.rejects(runs[0] as Promise<void>, /did not start/);
    await settled();
    ends[1]?.();
    assert.equal(await idle, false);
    assert.equal(ends.length, 2);
  });

  test("a wish after the second run has begun gets a third", async () => {
    const { work, ends } = controlled();
    const queue = new RestartQueue(work);
    const first = queue.run();
    const second = queue.run();
    ends[0]?.();
    await first;
    await settled();
    const third = queue.run();
    ends[1]?.();
    await second;
    await settled();
    assert.equal(ends.length, 3);
    ends[2]?.();
    await third;
  });
});

describe("a server that keeps ending", () => {
  test("is left alone at the fourth time within three minutes", () => {
    const crashes = new Crashes(() => 1000);
    assert.deepEqual(
      Array.from({ length: MOST_CRASHES }, () => crashes.again()),
      [true, true, true, false],
    );
  });

  test("is started again when the crashes lie further apart", () => {
    let now = 0;
    const crashes = new Crashes(() => now);
    for (let count = 0; count < 10; count++) {
      assert.equal(crashes.again(), true);
      now += WITHIN_MS / 2;
    }
  });

  test("gets a new chance when the user asks", () => {
    const crashes = new Crashes(() => 0);
    for (let count = 0; count < MOST_CRASHES; count++) crashes.again();
    crashes.forget();
    assert.equal(crashes.again(), true);
  });
});
