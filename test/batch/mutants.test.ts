import { HEADER_MUTANTS, MARK_MUTANTS, TRY_MUTANTS } from "../support/header-mutants.ts";
import { assertHunted } from "../support/mutation.ts";

assertHunted(
  "controls: with a bound of headers, or the mark of a codec, taken away, its test fails",
  [...HEADER_MUTANTS, ...MARK_MUTANTS, ...TRY_MUTANTS],
  [
    "batch/headers.test.ts",
    "batch/batcher.test.ts",
    "batch/codec-marks.test.ts",
    "contract/headers.test.ts",
  ],
);
