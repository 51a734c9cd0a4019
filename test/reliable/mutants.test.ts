import { GUARD_MUTANTS } from "../support/guard-mutants.ts";
import { assertHunted } from "../support/mutation.ts";

assertHunted("controls: where what may kill is not begun alone, its test fails", GUARD_MUTANTS, [
  "reliable",
  "delivery",
]);
