import { quiet } from "../wait.ts";
import { checkOutgoing, type Schema } from "./schema.ts";

const DONE: Promise<void> = Promise.resolve();

/** A message whose schema check is under way, or waits for earlier ones. */
export interface OutgoingCheck {
  /** Resolves when its turn has come; rejects with `BROKERLESS_SCHEMA`. */
  readonly turn: Promise<unknown>;
  /** Stops waiting for the schema: `turn` resolves without a verdict. The caller must not send the message then. */
  readonly end: () => void;
}

/**
 * The schema checks of outgoing messages. They end in the order of the calls, even if an asynchronous schema does not.
 * A schema may never settle: then a check ends when its call ends, or at `close`.
 */
export class OutgoingChecks {
  readonly #schema: Schema | null;
  /** Functions that each end one check under way. */
  readonly #ends = new Set<() => void>();
  #last: Promise<unknown> | null = null;

  constructor(schema: Schema | null) {
    this.#schema = schema;
  }

  /** Settles with the newest of the checks under way; null where there is none. */
  get underWay(): Promise<unknown> | null {
    return this.#last;
  }

  /**
   * Checks a value.
   *
   * @returns null where it is valid and no earlier check is under way
   * @throws BrokerlessError `BROKERLESS_SCHEMA`
   */
  check(value: unknown): OutgoingCheck | null {
    const checked = this.#schema === null ? null : checkOutgoing(this.#schema, value);
    if (checked === null && this.#last === null) return null;
    let end = (): void => {};
    const ended = new Promise<null>((resolve) => {
      end = () => resolve(null);
    });
    // It may reject while an earlier check is still under way, before anything awaits it.
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
   * Checks a value for a call that sends without waiting.
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
