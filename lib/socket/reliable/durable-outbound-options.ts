import type { Batch } from "../../batch/batch.ts";
import type { Clock } from "../../clock.ts";
import type { Codec } from "../../codec/codec.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { Journal } from "../../journal/journal.ts";
import type { ResolvedCommon } from "../options.ts";
import type { Schema } from "../schema.ts";
import type { ConfirmLevel, ResolvedReliableSend } from "./options.ts";

/** What a `DurableOutbound` is made of. */
export interface DurableOutboundOptions {
  readonly common: ResolvedCommon;
  readonly codec: Codec<unknown>;
  readonly schema: Schema | null;
  readonly journal: Journal;
  readonly clock: Clock;
  readonly rules: ResolvedReliableSend;
  /** Messages beyond which there is no room (bytes). */
  readonly backlogBytesMax: number;
  /** The level of a `send` that names none. */
  readonly confirm: ConfirmLevel;
  /** A batch is stored, and may go to receivers. */
  readonly onStored: (batch: Batch) => void;
  /** Give up the oldest messages (count). */
  readonly onDrop: (count: number) => void;
  /** Messages were accepted and could not be stored. */
  readonly onFailed: (error: BrokerlessError, count: number) => void;
  readonly onRefused: (error: BrokerlessError) => void;
}
