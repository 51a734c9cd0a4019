import {
  DIVISION_MUTANTS,
  HEADER_MUTANTS,
  HEADERS_BOUND_MUTANTS,
  MARK_MUTANTS,
  TRY_MUTANTS,
} from "../support/header-mutants.ts";
import { assertHunted } from "../support/mutation.ts";

assertHunted(
  "controls: without a limit on headers, a fair division, or a codec's mark, its test fails",
  [
    ...HEADER_MUTANTS,
    ...HEADERS_BOUND_MUTANTS,
    ...MARK_MUTANTS,
    ...TRY_MUTANTS,
    ...DIVISION_MUTANTS,
  ],
  [
    "batch/headers.test.ts",
    "batch/frame-division.test.ts",
    "batch/headers-bound.test.ts",
    "reliable/receiver/sessions/batch-intake.test.ts",
    "batch/batcher.test.ts",
    "batch/codec-marks.test.ts",
    "contract/headers.test.ts",
  ],
);
