import type { Clock } from "../../clock.ts";
import type { DispatcherOptions, Outcome } from "../../delivery/dispatcher-events.ts";
import type { SeqRange } from "../../delivery/range.ts";
import type { BrokerlessError } from "../../errors.ts";
import type { Journal } from "../../journal/journal.ts";
import type { Freeing } from "./dead-mover.ts";

/** What `SenderLinks` are made of. */
export interface SenderLinksOptions {
  readonly journal: Journal;
  readonly clock: Clock;
  readonly random: () => number;
  readonly rules: DispatcherOptions;
  readonly codec: string;
  /** Longest message (bytes). */
  readonly messageBytesMax: number;
  /** Stored batches that are kept in memory for sending (bytes). */
  readonly cacheBytesMax: number;
  readonly heartbeatMs: number;
  /** Whether receivers are asked to say that they hold what they got. */
  readonly wantsReceipts: () => boolean;
  readonly freeing: Freeing;
  /** Gives the journal what waits for more to come. */
  readonly flush: () => void;
  readonly onSettled: (outcome: Outcome, range: SeqRange) => void;
  readonly onReceipt: (range: SeqRange) => void;
  /** A session began or ended. */
  readonly onPeer: (type: "peer" | "peerLost", address: string, peers: number) => void;
  readonly onProblem: (error: BrokerlessError) => void;
}
