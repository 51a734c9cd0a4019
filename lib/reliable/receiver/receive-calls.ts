import { closedError } from "../../core/queue/receive-queue.ts";
import type { SeqRange } from "../../delivery/range/range.ts";
import { checkWaitOptions, quiet, WAIT_OPTIONS, type WaitOptions, wait } from "../../wait.ts";
import type { AckCoalescer } from "./ack-coalescer.ts";
import type { DecodedBatch } from "./decoded-batch.ts";
import type { NextMessages } from "./next-messages.ts";
import type { InFlightMessages } from "./sessions/in-flight-messages.ts";
import type { ReceiverStream } from "./sessions/receiver-stream.ts";
import { Unacked } from "./unacked.ts";

/** Dependencies of {@link ReceiveCalls}. */
export interface ReceiveCallsOptions<T> {
  readonly next: NextMessages<T>;
  readonly inFlight: InFlightMessages;
  /** Processed messages that are not yet reported to the windows. */
  readonly run: AckCoalescer;
}

const SECOND_CALLER =
  "receive: another call is waiting. With acknowledgements a call acknowledges what the call before gave, so there can be one caller; use a loop for each (for await, deliveries()), or run({ concurrency })";

/**
 * Calls of `receive`, each of which acknowledges the message of the previous one. Callers cannot be told apart, so
 * there can be only one at a time.
 */
export class ReceiveCalls<T> {
  readonly #options: ReceiveCallsOptions<T>;
  /** The message returned last. */
  readonly #received = new Unacked();
  /** A call waits, or its caller cannot have seen its result yet: a call now comes from another caller. */
  #isReceiving = false;

  constructor(options: ReceiveCallsOptions<T>) {
    this.#options = options;
  }

  /** The message of a stream that the last call returned, and that is not acknowledged yet. */
  of(stream: ReceiverStream): readonly SeqRange[] {
    return this.#received.of(stream);
  }

  /**
   * Receives one message; acknowledges that of the previous call. Two callers at a time would acknowledge each other's.
   *
   * @throws TypeError while another call waits
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  receive(options: WaitOptions | undefined): Promise<T> {
    try {
      checkWaitOptions("receive", options, WAIT_OPTIONS);
    } catch (error) {
      return quiet(Promise.reject(error));
    }
    if (this.#isReceiving) return quiet(Promise.reject(new TypeError(SECOND_CALLER)));
    this.settle();
    this.#isReceiving = true;
    return quiet(this.#receiveNext(options).finally(this.#onReceived));
  }

  /** The message returned last counts as processed. */
  settle(): void {
    const { inFlight, run } = this.#options;
    const held = this.#received.take();
    if (held !== null) run.add(inFlight, held.stream, held.range.first);
    run.flush();
  }

  readonly #onReceived = (): void => {
    this.#isReceiving = false;
  };

  #receiveNext(options: WaitOptions | undefined): Promise<T> {
    const { next } = this.#options;
    return wait<T>("receive", options, ({ resolve, reject }) => {
      const take = (chunk: DecodedBatch<T> | null): void => {
        if (chunk === null) {
          reject(closedError());
          return;
        }
        this.#received.give(chunk);
        resolve(chunk.values[chunk.index++]!);
      };
      const chunk = next.take();
      if (chunk === null && !next.isClosed) return next.whenNext(take);
      take(chunk);
      return () => {};
    });
  }
}
