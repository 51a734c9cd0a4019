import type { Clock } from "../../clock.ts";
import type { Peer } from "../../core/events/peer.ts";
import type { Dispatcher } from "../../delivery/dispatch/dispatcher.ts";
import type { DispatcherOptions, Outcome } from "../../delivery/dispatch/dispatcher-events.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { Journal } from "../../journal/journal.ts";
import type { DurableOutbound } from "../outbound/durable-outbound.ts";
import type { SenderIncarnations } from "../sender-incarnations.ts";
import type { FormerCodec } from "./former-codec.ts";
import type { Freeing } from "./saved/dead-letter-compactor.ts";

/** Dependencies of `DispatchDriver`. */
export interface DispatchDriverOptions {
  readonly journal: Journal;
  /** The incarnations of its stream. */
  readonly incarnations: SenderIncarnations;
  /** Whether the journal ends with the socket. */
  readonly isTransient: boolean;
  readonly clock: Clock;
  readonly dispatcher: Dispatcher;
  readonly rules: DispatcherOptions;
  readonly codec: string;
  readonly formerCodec: Pick<FormerCodec, "takes" | "checked">;
  /** Longest message (bytes). */
  readonly messageBytesMax: number;
  /** Limit on stored batches kept in memory for sending (bytes). */
  readonly cacheBytesMax: number;
  readonly heartbeatMs: number;
  /** Name of this sender; null if it has none. */
  readonly name: string | null;
  /** The path of messages into the journal. */
  readonly outbound: Pick<
    DurableOutbound,
    "flush" | "delivered" | "read" | "saveIds" | "waitsForDelivered"
  >;
  readonly freeing: Freeing;
  /** There may be messages that can be dropped, after there were none; null: messages are never dropped. */
  readonly onDroppable: (() => void) | null;
  readonly onSettled: (outcome: Outcome, range: SeqRange) => void;
  /** A session began or ended. */
  readonly onPeer: (type: "peer" | "peerLost", peer: Peer, peers: number) => void;
  /** A receiver's state for these ranges belonged to another history of the stream. */
  readonly onDiverged: (ranges: readonly SeqRange[]) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}
