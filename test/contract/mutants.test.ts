import {
  ARGUMENT_MUTANTS,
  CLOSE_MUTANTS,
  DRAIN_MUTANTS,
  ERROR_MUTANTS,
  FLOOD_MUTANTS,
  FORGOTTEN_MUTANTS,
  GONE_MUTANTS,
  IDENTITY_MUTANTS,
  INCARNATION_MUTANTS,
  LISTENER_MUTANTS,
  LMDB_CLOSE_MUTANTS,
  MISFIT_MUTANTS,
  PEER_ADDRESS_MUTANTS,
  PROBE_MUTANTS,
  RECEIVE_MUTANTS,
  REENTRANT_MUTANTS,
  REPLACED_MUTANTS,
  REPLIER_MUTANTS,
  RUNTIME_MUTANTS,
  SCHEMA_MUTANTS,
  SIGNAL_MUTANTS,
  STUCK_MUTANTS,
  WATCH_MUTANTS,
  WORKER_MUTANTS,
} from "../support/contract-mutants.ts";
import { assertHunted } from "../support/mutation.ts";
import { REQUEST_MUTANTS } from "../support/request-mutants.ts";

const MUTANTS = [
  ...ARGUMENT_MUTANTS,
  ...CLOSE_MUTANTS,
  ...INCARNATION_MUTANTS,
  ...PROBE_MUTANTS,
  ...IDENTITY_MUTANTS,
  ...RECEIVE_MUTANTS,
  ...REPLACED_MUTANTS,
  ...FORGOTTEN_MUTANTS,
  ...REPLIER_MUTANTS,
  ...ERROR_MUTANTS,
  ...LISTENER_MUTANTS,
  ...FLOOD_MUTANTS,
  ...GONE_MUTANTS,
  ...WATCH_MUTANTS,
  ...SIGNAL_MUTANTS,
  ...RUNTIME_MUTANTS,
  ...SCHEMA_MUTANTS,
  ...STUCK_MUTANTS,
  ...PEER_ADDRESS_MUTANTS,
];

assertHunted(
  "controls: with a protection of what is one, or of whose turn it is, taken away, its test fails",
  MUTANTS,
  [
    "core/admission.test.ts",
    "delivery/protocol/incarnations.test.ts",
    "delivery/window/divergences.test.ts",
    "reliable/link/holder-probes.test.ts",
    "contract/arguments.test.ts",
    "contract/call-options.test.ts",
    "contract/failing-schemas.test.ts",
    "contract/listeners.test.ts",
    "contract/peer-names.test.ts",
    "contract/reliable-churn.test.ts",
    "contract/reliable-effects.test.ts",
    "contract/reliable-forgotten.test.ts",
    "contract/reliable-identity.test.ts",
    "contract/reliable-receive.test.ts",
    "contract/replier.test.ts",
    "contract/stuck-schemas.test.ts",
    "contract/subscriptions.test.ts",
    "hostile/answers.test.ts",
    "journal/arguments.test.ts",
    "plain/request/request-envelope.test.ts",
    "plain/routes.test.ts",
    "sim/watched.test.ts",
    "transport/native/errno.test.ts",
    "transport/native/router-ids.test.ts",
    "runtime.test.ts",
  ],
);

assertHunted(
  "controls: with what tells a peer at the wrong end taken away, its test fails",
  MISFIT_MUTANTS,
  [
    "delivery/protocol/stray.test.ts",
    "contract/strays.test.ts",
    "socket/link-limits.test.ts",
    "transport/channel.test.ts",
  ],
);

assertHunted("controls: where a drain ends before its work does, its test fails", DRAIN_MUTANTS, [
  "contract/drain.test.ts",
]);

assertHunted(
  "controls: where a closed LMDB journal is as an open one, its test fails",
  LMDB_CLOSE_MUTANTS,
  ["journal/lmdb-close.test.ts", "journal/conformance.test.ts"],
);

assertHunted(
  "controls: where a worker misjudges what it had unacked, its test fails",
  WORKER_MUTANTS,
  ["contract/work-queue.test.ts"],
);

assertHunted(
  "controls: where a value may send another while it is encoded, its test fails",
  REENTRANT_MUTANTS,
  ["contract/reentrant.test.ts"],
);

assertHunted(
  "controls: where requests ignore load, losses or farewells, their tests fail",
  REQUEST_MUTANTS,
  [
    "contract/requests-by-load.test.ts",
    "plain/request/request-envelope.test.ts",
    "plain/request/replier-lanes.test.ts",
    "plain/request/reply-writer.test.ts",
    "plain/request/request-frames.test.ts",
  ],
);
