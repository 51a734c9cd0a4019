import { publishingSystems } from "../publishing.ts";
import type { Scenario } from "../scenario.ts";

/** One publisher, many subscribers in one other process; every delivery counts. */
export const scenario: Scenario = {
  name: "pub-sub",
  summary:
    "PUB to many SUB in one other process, raw bytes, deliveries; paced alike, so none is dropped",
  defaults: { size: 100, messages: 200_000, runs: 5, subscribers: 10 },
  countedBy: "receiver",
  paced: true,
  systems: publishingSystems(["trades"]),
};
