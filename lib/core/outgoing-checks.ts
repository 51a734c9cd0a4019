import { quiet } from "../wait.ts";
import { checkOutgoing, type Schema } from "./schema.ts";

const DONE: Promise<void> = Promise.resolve();

/** The schema's checks of what is to be sent: they end in the order of the calls, although an asynchronous schema may not. */
export class OutgoingChecks {
  readonly #schema: Schema | null;
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
   * @returns null where it fits and no earlier check is under way; else resolves when it is its turn
   * @throws BrokerlessError `BROKERLESS_SCHEMA`; the promise rejects with the same
   */
  check(value: unknown): Promise<unknown> | null {
    const checked = this.#schema === null ? null : checkOutgoing(this.#schema, value);
    if (checked === null && this.#last === null) return null;
    // It may reject while an earlier check is still under way, and nobody has looked yet.
    if (checked !== null) quiet(checked);
    const inOrder = (this.#last ?? DONE).then(
      () => checked,
      () => checked,
    );
    this.#last = inOrder;
    const done = (): void => {
      if (this.#last === inOrder) this.#last = null;
    };
    inOrder.then(done, done);
    return inOrder;
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
