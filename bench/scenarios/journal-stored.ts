import { burstsAlone, nothing } from "../journal/place.ts";
import { type OpenStore, STORES } from "../journal/stores.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** One appender; the next value is appended when the previous one is stored. */
const one = (name: string, baseline: string | null, open: OpenStore): System => ({
  name,
  baseline,
  receive: nothing,
  async send(run) {
    const append = await open();
    const value = Buffer.alloc(sizeOf(run.options), 7);
    await burstsAlone(run, async (from, to) => {
      for (let seq = from; seq < to; seq++) {
        const startedMs = performance.now();
        await append(value);
        run.recordLatency(performance.now() - startedMs);
        run.tally.take(seq);
      }
    });
  },
});

const limit = one("bare write + fdatasync", null, STORES.bare);

/** The cost of storing one message alone. */
export const scenario: Scenario = {
  name: "journal-stored",
  summary: "one append after another, each awaited until it is synced",
  where: "one process, the disk of TMPDIR",
  defaults: { size: 100, messages: 3_000, runs: 5, subscribers: null },
  countedBy: "sender",
  paced: false,
  systems: [
    limit,
    one("journal", limit.name, STORES.journal),
    one("lmdb", limit.name, STORES.lmdb),
    one("classic-level, sync", limit.name, STORES.level),
  ],
};
