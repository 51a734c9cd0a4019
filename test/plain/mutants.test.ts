import { FRESH_MUTANTS } from "../support/fresh-mutants.ts";
import { GAP_MUTANTS } from "../support/gap-mutants.ts";
import { assertHunted } from "../support/mutation.ts";
import { CENSUS_MUTANTS, ROUTE_MUTANTS } from "../support/plain-mutants.ts";
import { ROUND_MUTANTS } from "../support/round-mutants.ts";

assertHunted(
  "controls: where one subscriber's claim is waited for, or believed, its test fails",
  CENSUS_MUTANTS,
  ["plain/topic/subscriber-counter.test.ts", "contract/publisher.test.ts"],
);

assertHunted(
  "controls: where the memory of who is sent nothing is kept, its test fails",
  ROUTE_MUTANTS,
  ["plain/routes.test.ts", "batch/batcher.test.ts"],
);

assertHunted(
  "controls: where a round is not put in order, or has no bounds, its test fails",
  ROUND_MUTANTS,
  [
    "plain/round/order-frame.test.ts",
    "plain/round/rounds.test.ts",
    "plain/round/round-reader.test.ts",
    "contract/rounds.test.ts",
  ],
);

assertHunted(
  "controls: where missed messages are not counted, or others are, its test fails",
  GAP_MUTANTS,
  [
    "plain/gap/gaps.test.ts",
    "plain/gap/missed-report.test.ts",
    "plain/round/rounds.test.ts",
    "contract/missed.test.ts",
  ],
);

assertHunted(
  "controls: where a message is delivered that is replaced or too old, its test fails",
  FRESH_MUTANTS,
  ["plain/fresh/kept-values.test.ts", "plain/fresh/fresh-queue.test.ts", "contract/fresh.test.ts"],
);
