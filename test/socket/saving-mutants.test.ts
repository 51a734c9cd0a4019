import { BACKLOG_MUTANTS } from "../support/backlog-mutants.ts";
import { LETTER_MUTANTS } from "../support/letter-mutants.ts";
import { assertHunted } from "../support/mutation.ts";
import { SAVING_MUTANTS } from "../support/saving-mutants.ts";

assertHunted(
  "controls: with a protection of what is saved taken away, its test fails",
  SAVING_MUTANTS,
  [
    "socket/sender-saves.test.ts",
    "delivery/dispatch/dispatcher.test.ts",
    "delivery/dispatcher-bounds.test.ts",
  ],
);

assertHunted("controls: where a dead letter does not say why, its test fails", LETTER_MUTANTS, [
  "reliable/sender/dead-letters.test.ts",
  "delivery/saved/saved-state.test.ts",
  "delivery/protocol/error-texts.test.ts",
  "delivery/attempts/first-attempts.test.ts",
  "contract/unreadable.test.ts",
]);

assertHunted(
  "controls: where what is processed counts after a restart, its test fails",
  BACKLOG_MUTANTS,
  ["socket/restored-backlog.test.ts", "reliable/outbound/backlog-size.test.ts"],
);
