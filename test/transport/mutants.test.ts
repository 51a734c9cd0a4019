import { assertHunted } from "../support/mutation.ts";
import { BIND_CLOSE_MUTANTS, THREAD_FRAME_MUTANTS } from "../support/thread-mutants.ts";

assertHunted(
  "controls: with a protection of an address or of a frame taken away, its test fails",
  [...BIND_CLOSE_MUTANTS, ...THREAD_FRAME_MUTANTS],
  [
    "contract/inproc-marks.test.ts",
    "transport/bind-close.test.ts",
    "transport/inproc/thread-frames.test.ts",
  ],
);
