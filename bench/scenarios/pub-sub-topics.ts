import { publishingSystems } from "../publishing.ts";
import type { Scenario } from "../scenario.ts";

const TOPICS = 50;

/** Like `pub-sub` with one subscriber, but each message has another topic than the one before. */
export const scenario: Scenario = {
  name: "pub-sub-topics",
  summary: "PUB to SUB, 50 topics in turn, raw bytes; paced alike, so none is dropped",
  defaults: { size: 100, messages: 400_000, runs: 5, subscribers: 1 },
  countedBy: "receiver",
  paced: true,
  systems: publishingSystems(
    Array.from({ length: TOPICS }, (_, n) => `trades.S${n}`) as [string, ...string[]],
  ),
};
