import { DROPPED_MUTANTS } from "../support/dropped-mutants.ts";
import { FORMER_MUTANTS } from "../support/former-mutants.ts";
import { LOG_MUTANTS } from "../support/log-mutants.ts";
import { assertHunted } from "../support/mutation.ts";
import {
  END_MUTANTS,
  HANDSHAKE_MUTANTS,
  LINK_MUTANTS,
  MISSING_MUTANTS,
  REPLY_MUTANTS,
  SENDER_MUTANTS,
} from "../support/sender-mutants.ts";
import { STREAM_MUTANTS } from "../support/stream-mutants.ts";
import { TURN_MUTANTS } from "../support/turn-mutants.ts";

assertHunted("controls: with a protection of a sender taken away, its test fails", SENDER_MUTANTS, [
  "socket/send-calls.test.ts",
]);

assertHunted("controls: with a bound of a link taken away, its test fails", LINK_MUTANTS, [
  "socket/link-limits.test.ts",
  "transport/link-writer.test.ts",
  "delivery/range/range-map.test.ts",
  "delivery/dispatcher-bounds.test.ts",
  "reliable/sender/transmitter.test.ts",
]);

assertHunted(
  "controls: with what lets last words be heard taken away, its test fails",
  END_MUTANTS,
  ["contract/reliable-ends.test.ts", "transport/link-hub.test.ts"],
);

assertHunted("controls: where failed handshakes are as others, its test fails", HANDSHAKE_MUTANTS, [
  "transport/monitor/peer-watch.test.ts",
]);

assertHunted("controls: where a sender stops at what is missing, its test fails", MISSING_MUTANTS, [
  "socket/missing-messages.test.ts",
]);

assertHunted(
  "controls: with a bound of what waits for an asking peer taken away, its test fails",
  REPLY_MUTANTS,
  ["plain/request/reply-writer.test.ts"],
);

assertHunted(
  "controls: where the event loop does not turn between messages, its test fails",
  TURN_MUTANTS,
  ["contract/reliable-turns.test.ts"],
);

assertHunted("controls: with a duty of a stream taken away, its test fails", STREAM_MUTANTS, [
  "contract/writable.test.ts",
]);

assertHunted("controls: with a duty of a log taken away, its test fails", LOG_MUTANTS, [
  "contract/logger.test.ts",
  "core/events/event-log.test.ts",
  "core/events/events.test.ts",
]);

assertHunted(
  "controls: where a repeated or dropped deduplication id is as others, its test fails",
  DROPPED_MUTANTS,
  [
    "socket/dropped-ids.test.ts",
    "socket/requeued-ids.test.ts",
    "socket/drop-oldest.test.ts",
    "core/admission.test.ts",
  ],
);

assertHunted(
  "controls: where a sender takes messages of another codec for its own, its test fails",
  FORMER_MUTANTS,
  ["socket/former-codec.test.ts", "reliable/sender/former-codec.test.ts"],
);
