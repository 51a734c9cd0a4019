import type { Endpoints } from "../core/typed-socket.ts";
import { BrokerlessError } from "../errors.ts";
import type { Journal } from "../journal/journal.ts";

/** The current user of each journal of this thread, as text for errors. */
const users = new WeakMap<Journal, string>();

/**
 * Exclusive use of a journal by one socket, from the socket's construction to the end of its `close`. Two sockets on
 * one journal would settle each other's messages, and send what the other has stored.
 *
 * @see docs/decisions/0028-the-lock.md
 */
export class JournalClaim {
  readonly #journal: Journal | null;

  /**
   * @param journal `null` for a socket without a journal: nothing is claimed
   * @param user such as `the journal of a Push`
   * @throws BrokerlessError BROKERLESS_LOCKED naming both users
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
   * Creates the user of the journal; if that fails, the journal is released.
   *
   * @throws what `make` throws
   */
  make<T>(make: () => T): T {
    try {
      return make();
    } catch (error) {
      this.#release();
      throw error;
    }
  }

  /** Opens the socket's endpoints. The journal is released when they are closed, or cannot be opened. */
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
