import { quiet } from "../wait.ts";
import { checkOutgoing, type Schema } from "./schema.ts";

const DONE: Promise<void> = Promise.resolve();

/** A message whose check is under way, or waits for those before it. */
export interface OutgoingCheck {
  /** Resolves when it is its turn; rejects with `BROKERLESS_SCHEMA`. */
  readonly turn: Promise<unknown>;
  /** Waits for the schema no longer: `turn` resolves without a verdict. Whoever ends it must not send the message. */
  readonly end: () => void;
}

/**
 * The schema's checks of what is to be sent: they end in the order of the calls, although an asynchronous schema may not.
 * It may never settle at all: then they end when their calls are given up, or at `close`.
 */
export class OutgoingChecks {
  readonly #schema: Schema | null;
  /** Each ends one check under way. */
  readonly #ends = new Set<() => void>();
  #last: Promise<unknown> | null = null;

  constructor(schema: Schema | null) {
    this.#schema = schema;
  }

  /** Resolves, or rejects, with the newest of the checks under way; null while there is none. */
  get underWay(): Promise<unknown> | null {
    return this.#last;
  }

  /**
   * Checks a value.
   *
   * @returns null where it fits and no earlier check is under way
   * @throws BrokerlessError `BROKERLESS_SCHEMA`
   */
  check(value: unknown): OutgoingCheck | null {
    const checked = this.#schema === null ? null : checkOutgoing(this.#schema, value);
    if (checked === null && this.#last === null) return null;
    let end = (): void => {};
    const ended = new Promise<null>((resolve) => {
      end = () => resolve(null);
    });
    // It may reject while an earlier check is still under way, and nobody has looked yet.
    const settled = checked === null ? DONE : quiet(Promise.race([checked, ended]));
    const turn = (this.#last ?? DONE).then(
      () => settled,
      () => settled,
    );
    this.#last = turn;
    this.#ends.add(end);
    const done = (): void => {
      this.#ends.delete(end);
      if (this.#last === turn) this.#last = null;
    };
    turn.then(done, done);
    return { turn, end };
  }

  /** Ends all checks under way. */
  close(): void {
    for (const end of this.#ends) end();
  }

  /**
   * Checks a value that is to be sent at once.
   *
   * @throws TypeError where the schema is asynchronous; BrokerlessError `BROKERLESS_SCHEMA`
   */
  checkNow(value: unknown): void {
    const checked = this.#schema === null ? null : checkOutgoing(this.#schema, value);
    if (checked === null) return;
    quiet(checked);
    throw new TypeError("trySend needs a schema that checks synchronously; use send");
  }
}
