import { burstsAlone, nothing } from "../journal/place.ts";
import { type OpenStore, STORES } from "../journal/stores.ts";
import { type Scenario, type System, sizeOf } from "../scenario.ts";

/** Numbers of concurrent appenders (count); the first is the baseline of the others. */
const APPENDERS = [1, 8, 64] as const;

/** Appenders that each await their own append, which measures group commit. */
const many = (store: string, open: OpenStore, appenders: number): System => ({
  name: `${store}, ${appenders} at once`,
  baseline: appenders === 1 ? null : `${store}, 1 at once`,
  receive: nothing,
  async send(run) {
    const append = await open();
    const value = Buffer.alloc(sizeOf(run.options), 7);
    await burstsAlone(run, async (from, to) => {
      let next = from;
      const one = async () => {
        while (next < to) {
          const seq = next++;
          await append(value);
          run.tally.take(seq);
        }
      };
      await Promise.all(Array.from({ length: appenders }, one));
    });
  },
});

/** Concurrent appenders, by their number. */
export const scenario: Scenario = {
  name: "journal-appenders",
  summary: "appenders that each await their append until it is synced, by their number",
  where: "one process, the disk of TMPDIR",
  defaults: { size: 100, messages: 10_000, runs: 5, subscribers: null },
  countedBy: "sender",
  paced: false,
  systems: Object.entries({
    journal: STORES.journal,
    lmdb: STORES.lmdb,
    "classic-level": STORES.level,
  }).flatMap(([name, open]) => APPENDERS.map((appenders) => many(name, open, appenders))),
};
