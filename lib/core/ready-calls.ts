import { checkNames, expected } from "../options.ts";
import { WAIT_OPTIONS, type WaitOptions, wait } from "../wait.ts";
import { closedError } from "./queue/receive-queue.ts";

/** Options of `ready`. */
export interface ReadyOptions extends WaitOptions {
  /** Number of peers that must have completed the handshake (count). Default 1. */
  readonly peers?: number | undefined;
}

const READY_OPTIONS = [...WAIT_OPTIONS, "peers"];

/**
 * The number of peers that a call of `ready` waits for.
 *
 * @throws TypeError for wrong options
 */
export function peersOf(options: ReadyOptions | undefined): number {
  checkNames("ready", options, READY_OPTIONS);
  const peers = options?.peers ?? 1;
  if (Number.isInteger(peers) && peers >= 0) return peers;
  throw expected("ready: peers", "a whole number from 0", peers);
}

/** The pending calls of `ready` of a socket. */
export class ReadyCalls {
  /** Called with the number of peers; null: the socket has closed. */
  readonly #checks = new Set<(peers: number | null) => void>();

  /**
   * Resolves at the first check with enough peers.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED`; or the signal's reason
   */
  until(wanted: number, options: WaitOptions | undefined): Promise<void> {
    return wait<void>(`ready with ${wanted} peers`, options, ({ resolve, reject }) => {
      const check = (peers: number | null): void => {
        if (peers === null) reject(closedError());
        else if (peers >= wanted) resolve();
        else return;
        this.#checks.delete(check);
      };
      this.#checks.add(check);
      return () => {
        this.#checks.delete(check);
      };
    });
  }

  /** The number of peers may have changed (count). */
  check(peers: number): void {
    for (const check of [...this.#checks]) check(peers);
  }

  /** The socket has closed. */
  close(): void {
    for (const check of [...this.#checks]) check(null);
  }
}
