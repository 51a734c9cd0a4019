import type { Batch } from "../../batch/batch.ts";
import type { Clock } from "../../clock.ts";
import type { Codec } from "../../codec/codec.ts";
import type { Schema } from "../../core/schema.ts";
import type { ConfirmLevel } from "../../core/send-options.ts";
import type { ResolvedCommon } from "../../core/socket-options.ts";
import type { DeadLetterRecord } from "../../delivery/dispatch/dead-letter-record.ts";
import type { Outcome } from "../../delivery/dispatch/dispatcher-events.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { Journal } from "../../journal/journal.ts";
import type { ResolvedReliableSend } from "../reliable-options.ts";
import type { SenderEpochs } from "../sender-epochs.ts";

/** Dependencies of `DurableOutbound`. */
export interface DurableOutboundOptions {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly journal: Journal;
  /** Their list is stored before any message of the newest, or with it. */
  readonly epochs: Pick<SenderEpochs, "valuesOfMessages" | "stored">;
  readonly clock: Clock;
  readonly rules: ResolvedReliableSend;
  /** Messages beyond which there is no room (bytes). */
  readonly backlogBytesMax: number;
  /** The level of a `send` that names none. */
  readonly confirm: ConfirmLevel;
  /** A batch is stored, and may go to receivers. */
  readonly onStored: (batch: Batch) => void;
  /** Give up the oldest messages that nobody works on (count). */
  readonly onDrop: (count: number) => void;
  /** Whether nobody works on the oldest message of all: bytes are freed from there on, and nowhere else. */
  readonly isOldestFree: () => boolean;
  /** What became of a stored message; null while it may still be sent. */
  readonly outcomeOf: (seq: number) => Outcome | null;
  /** What a dead letter died of; null where it is none, or forgotten. */
  readonly deathOf: (seq: number) => DeadLetterRecord | null;
  /** Messages were accepted and could not be stored. */
  readonly onFailed: (error: BrokerlessError, count: number) => void;
  readonly onRefused: (error: BrokerlessError) => void;
}
