/** Space for the sequence number at the start of every raw message (bytes). */
export const SEQ_BYTES = 4;

/**
 * Up to this length zeromq.js copies a message at `send`, and brokerless copies it into its frame, so a buffer is free
 * again at once (bytes).
 */
const COPIED_BYTES_MAX = 128;

/**
 * Longest message that comes from a ring; longer ones are allocated one by one, since a ring of them would take more
 * memory than it saves (bytes).
 */
const RING_BYTES_MAX = 1_024;

/**
 * Raw messages with their sequence numbers, created cheaply enough not to distort the measurement.
 *
 * Small ones come from a ring that is longer than the number of messages in flight: a buffer above 128 B belongs to
 * libzmq until it is sent, and libzmq does not report when that is.
 */
export class Messages {
  readonly #size: number;
  readonly #ring: Buffer[] = [];
  readonly #mask: number;

  /**
   * @param size length of each message (bytes)
   * @param inFlightMax most messages handed over and not yet on the wire (count)
   */
  constructor(size: number, inFlightMax: number) {
    this.#size = size;
    const wanted = size <= COPIED_BYTES_MAX ? 256 : inFlightMax * 2;
    const count = size <= RING_BYTES_MAX ? 2 ** Math.ceil(Math.log2(wanted)) : 0;
    this.#mask = count - 1;
    for (let index = 0; index < count; index++) this.#ring.push(Buffer.alloc(size, "m"));
  }

  /** @returns message `seq`, which must not be changed */
  at(seq: number): Buffer {
    const message = this.#ring[seq & this.#mask] ?? Buffer.allocUnsafe(this.#size);
    message[0] = seq;
    message[1] = seq >>> 8;
    message[2] = seq >>> 16;
    message[3] = seq >>> 24;
    return message;
  }
}

/** @returns the sequence number at the start of a raw message */
export function readSeq(message: Uint8Array): number {
  return (message[0]! | (message[1]! << 8) | (message[2]! << 16) | (message[3]! << 24)) >>> 0;
}

/** The object of the typed scenarios: seven fields of mixed types; `id` is the sequence number. */
export interface Order {
  readonly id: number;
  readonly symbol: string;
  readonly price: number;
  readonly quantity: number;
  readonly side: "buy" | "sell";
  readonly venue: string;
  readonly active: boolean;
}

const SYMBOLS = ["AAPL", "MSFT", "NVDA", "AMZN", "GOOG", "META", "TSLA", "AVGO"] as const;
const VENUES = ["XNAS", "XNYS", "BATS", "ARCX"] as const;

/** @returns a new object for message `seq` */
export function orderAt(seq: number): Order {
  return {
    id: seq,
    symbol: SYMBOLS[seq & 7]!,
    price: 100.25 + (seq % 1_000) / 8,
    quantity: 1 + (seq % 500),
    side: (seq & 1) === 0 ? "buy" : "sell",
    venue: VENUES[seq & 3]!,
    active: (seq & 7) !== 0,
  };
}
