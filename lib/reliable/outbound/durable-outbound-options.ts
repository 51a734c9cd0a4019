import type { Batch } from "../../batch/batch.ts";
import type { Clock } from "../../clock.ts";
import type { Codec } from "../../codec/codec.ts";
import type { Schema } from "../../core/schema.ts";
import type { ConfirmLevel } from "../../core/send-options.ts";
import type { ResolvedCommon } from "../../core/socket-options.ts";
import type { DeadLetterRecord } from "../../delivery/dispatch/dead-letter-record.ts";
import type { Settled } from "../../delivery/dispatch/dispatcher-events.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { Journal } from "../../journal/journal.ts";
import type { ResolvedReliableSend } from "../reliable-options.ts";
import type { SenderIncarnations } from "../sender-incarnations.ts";

/** Dependencies of `DurableOutbound`. */
export interface DurableOutboundOptions {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly journal: Journal;
  /** The list of incarnations is stored before any message of the newest one, or with it. */
  readonly incarnations: Pick<SenderIncarnations, "valuesOfMessages" | "stored">;
  readonly clock: Clock;
  readonly rules: ResolvedReliableSend;
  /** Size of the backlog at which it is full (bytes). */
  readonly backlogBytesMax: number;
  /** The level of a `send` without `confirm`. */
  readonly confirm: ConfirmLevel;
  /** A batch is stored, and may be sent to receivers. */
  readonly onStored: (batch: Batch) => void;
  /** Drops the oldest messages that no receiver works on (count). */
  readonly onDrop: (count: number) => void;
  /** Whether no receiver works on the oldest message of all: only from there on can bytes be freed. */
  readonly isOldestFree: () => boolean;
  /** The outcome of a stored message; null while it may still be sent. */
  readonly settlementOf: (seq: number) => Settled | null;
  /** The cause of a dead letter; null if the message is none, or its record is no longer kept. */
  readonly deathOf: (seq: number) => DeadLetterRecord | null;
  /** Messages were accepted and could not be stored. */
  readonly onFailed: (error: BrokerlessError, count: number) => void;
  readonly onRefused: (error: BrokerlessError) => void;
}
