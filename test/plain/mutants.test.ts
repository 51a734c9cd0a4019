import { assertHunted } from "../support/mutation.ts";
import { CENSUS_MUTANTS } from "../support/plain-mutants.ts";

assertHunted(
  "controls: where one subscriber's claim is waited for, or believed, its test fails",
  CENSUS_MUTANTS,
  ["plain/topic/subscriber-counter.test.ts", "contract/publisher.test.ts"],
);
