import { IPC_MUTANTS } from "../support/ipc-mutants.ts";
import { assertHunted } from "../support/mutation.ts";

assertHunted(
  "controls: with what keeps an ipc path private taken away, its test fails",
  IPC_MUTANTS,
  ["transport/native/ipc-mode.test.ts"],
);
