import type { Endpoints } from "../core/typed-socket.ts";
import { BrokerlessError } from "../errors.ts";
import type { Journal } from "../journal/journal.ts";

/** Who uses each journal of this thread now, in words. */
const users = new WeakMap<Journal, string>();

/**
 * A journal's being one socket's, from the socket's construction to the end of its `close`: two that
 * share one would settle each other's messages, and send what the other has stored.
 *
 * @see docs/decisions/0028-the-lock.md
 */
export class JournalClaim {
  readonly #journal: Journal | null;

  /**
   * @param journal `null` for none: then there is nothing to claim
   * @param user such as `the journal of a Push`
   * @throws BrokerlessError BROKERLESS_LOCKED naming both
   */
  constructor(journal: Journal | null, user: string) {
    this.#journal = journal;
    if (journal === null) return;
    const other = users.get(journal);
    if (other !== undefined) {
      const message = `the journal of stream ${journal.stream} is ${other} already, and cannot be ${user} as well; a journal belongs to one socket: give each a directory of its own, or await the close of the other`;
      throw new BrokerlessError("BROKERLESS_LOCKED", message);
    }
    users.set(journal, user);
  }

  /**
   * Makes what uses the journal; where that fails, the journal is free.
   *
   * @throws what `make` does
   */
  make<T>(make: () => T): T {
    try {
      return make();
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Opens the socket's endpoints; when they are closed, or cannot be opened, the journal is free. */
  hold(open: () => Endpoints): Endpoints {
    const endpoints = this.make(open);
    return {
      get peers() {
        return endpoints.peers;
      },
      get addresses() {
        return endpoints.addresses;
      },
      list: () => endpoints.list(),
      get connectionsRefused() {
        return endpoints.connectionsRefused;
      },
      bind: (address) => endpoints.bind(address),
      connect: (address) => endpoints.connect(address),
      unbind: (address) => endpoints.unbind(address),
      disconnect: (address) => endpoints.disconnect(address),
      close: () => endpoints.close().finally(() => this.#release()),
    };
  }

  #release(): void {
    if (this.#journal !== null) users.delete(this.#journal);
  }
}
