import { ASSIGNMENT_MUTANTS } from "../support/assignment-mutants.ts";
import { GUARD_MUTANTS } from "../support/guard-mutants.ts";
import { assertHunted } from "../support/mutation.ts";
import { RECEIVER_MUTANTS } from "../support/receiver-mutants.ts";

assertHunted("controls: where what may kill is not begun alone, its test fails", GUARD_MUTANTS, [
  "reliable",
  "delivery",
]);

assertHunted(
  "controls: where a message that may be sent waits for a word of its receiver, its test fails",
  ASSIGNMENT_MUTANTS,
  ["reliable", "delivery"],
);

assertHunted(
  "controls: where a receiver keeps too many streams, or walks over all, its test fails",
  RECEIVER_MUTANTS,
  ["reliable"],
);
