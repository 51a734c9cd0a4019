import type { ReceiverLinks } from "./receiver-links.ts";
import type { ReceiverStream } from "./receiver-stream.ts";

/**
 * Messages that were processed one after another, told to the window together: at the end of the turn, or
 * when one comes that does not follow. So a fast consumer's acks cost nothing for each message.
 */
export class Run {
  #links: ReceiverLinks | null = null;
  #stream: ReceiverStream | null = null;
  #first = 0;
  #last = 0;
  #scheduled = false;

  /** Another message was processed. */
  add(links: ReceiverLinks, stream: ReceiverStream, seq: number): void {
    if (stream === this.#stream && seq === this.#last + 1) {
      this.#last = seq;
      return;
    }
    this.flush();
    this.#links = links;
    this.#stream = stream;
    this.#first = seq;
    this.#last = seq;
    if (this.#scheduled) return;
    this.#scheduled = true;
    process.nextTick(this.#onTurn);
  }

  /** Tells the window now. */
  flush(): void {
    const stream = this.#stream;
    if (stream === null) return;
    this.#stream = null;
    this.#links!.done(stream, this.#first, this.#last);
  }

  readonly #onTurn = (): void => {
    this.#scheduled = false;
    this.flush();
  };
}
