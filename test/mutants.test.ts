import { assertHunted } from "./support/mutation.ts";
import { SIGNAL_MUTANTS } from "./support/signal-mutants.ts";

assertHunted("controls: where each call listens to a signal, its test fails", SIGNAL_MUTANTS, [
  "on-abort.test.ts",
]);
