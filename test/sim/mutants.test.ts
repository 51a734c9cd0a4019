import { MUTANTS } from "../support/journal-mutants.ts";
import { assertHunted } from "../support/mutation.ts";

assertHunted(
  "controls: with any one protection taken away, the hunt for what it prevents fails",
  MUTANTS,
  ["sim", "journal", "support/crash-worker.ts"],
);
