import type { InFlightMessages } from "./sessions/in-flight-messages.ts";
import type { ReceiverStream } from "./sessions/receiver-stream.ts";

/**
 * Reports consecutive processed messages to the window together: at the end of the turn, or when one does not follow
 * the one before. So a fast consumer's acks cost nothing for each message.
 */
export class AckCoalescer {
  #inFlight: InFlightMessages | null = null;
  #stream: ReceiverStream | null = null;
  #first = 0;
  #last = 0;
  #historyVersion = 0;
  #scheduled = false;

  /** Another message was processed. */
  add(inFlight: InFlightMessages, stream: ReceiverStream, seq: number): void {
    if (stream === this.#stream && seq === this.#last + 1) {
      this.#last = seq;
      return;
    }
    this.flush();
    this.#inFlight = inFlight;
    this.#stream = stream;
    this.#first = seq;
    this.#last = seq;
    this.#historyVersion = stream.window.historyVersion;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#onTurn);
  }

  /** Reports to the window now. */
  flush(): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    // A session that began meanwhile may have shown that these are of another history.
    const range = stream.window.valid(
      { first: this.#first, last: this.#last },
      this.#historyVersion,
    );
    if (range !== null) this.#inFlight!.done(stream, range.first, range.last);
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}
