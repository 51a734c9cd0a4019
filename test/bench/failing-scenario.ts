/** Not a test: a scenario that throws in one of its processes, run by measure.test.ts. */
import type { Scenario } from "../../bench/scenario.ts";

export const scenario: Scenario = {
  name: "failing",
  summary: "the receiver throws",
  defaults: { size: null, messages: 100, runs: 1, subscribers: null },
  countedBy: "receiver",
  paced: false,
  systems: [
    {
      name: "failing",
      baseline: null,
      send: async (run) => {
        await run.address();
      },
      receive: async () => {
        throw new Error("no luck today");
      },
    },
  ],
};
