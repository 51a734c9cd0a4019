import { assertHunted } from "../support/mutation.ts";
import {
  BIND_CLOSE_MUTANTS,
  NEXT_BINDER_MUTANTS,
  THREAD_FRAME_MUTANTS,
} from "../support/thread-mutants.ts";
import {
  ACCEPT_MUTANTS,
  DESCRIPTOR_MUTANTS,
  ID_MUTANTS,
  IPC_MUTANTS,
  LINGER_MUTANTS,
  REFUSED_MUTANTS,
  STRAY_MUTANTS,
  TEXT_MUTANTS,
} from "../support/transport-mutants.ts";

assertHunted(
  "controls: without a protection of an address or of a frame, its test fails",
  [
    ...BIND_CLOSE_MUTANTS,
    ...THREAD_FRAME_MUTANTS,
    ...NEXT_BINDER_MUTANTS,
    ...IPC_MUTANTS,
    ...STRAY_MUTANTS,
    ...TEXT_MUTANTS,
    ...DESCRIPTOR_MUTANTS,
    ...ID_MUTANTS,
    ...ACCEPT_MUTANTS,
    ...LINGER_MUTANTS,
    ...REFUSED_MUTANTS,
  ],
  [
    "contract/inproc-late-binder.test.ts",
    "contract/inproc-marks.test.ts",
    "contract/inproc-next-binder.test.ts",
    "hostile/old-zmtp.test.ts",
    "hostile/refused-keys.test.ts",
    "hostile/router-ids.test.ts",
    "transport/bind-close.test.ts",
    "transport/close-linger.test.ts",
    "transport/gate/await-accept.test.ts",
    "transport/gate/gate-ends.test.ts",
    "transport/inproc/next-binder.test.ts",
    "transport/inproc/presence.test.ts",
    "transport/inproc/thread-frames.test.ts",
    "transport/native/ipc-mode.test.ts",
    "transport/native/out-of-descriptors.test.ts",
  ],
);
