/** A handshake is complete within this time, or fails (milliseconds). */
const PATIENCE_MS = 250;
/** Shortest time between two reports of a peer that keeps trying (milliseconds). */
const REPORT_MS_MIN = 5_000;

/**
 * Detects connections that end before their handshake without a reason: libzmq drops a peer with an
 * incompatible socket type, and reports nothing but the end.
 *
 * The report of an end contains only the endpoint, so it may belong to another connection. It is
 * therefore reported only if the handshake to which it may belong has not been completed shortly
 * afterwards.
 */
export class HandshakeWatch {
  readonly #onAborted: (address: string) => void;
  readonly #endpoints = new Map<string, { open: number; ended: number; reportedMs: number }>();

  /** @param onAborted called for an endpoint where a connection ended before its handshake */
  constructor(onAborted: (address: string) => void) {
    this.#onAborted = onAborted;
  }

  /**
   * A connection was made, in either direction.
   *
   * @param only whether the endpoint has one connection at a time, so that an earlier one has ended
   */
  opened(address: string, only: boolean): void {
    const endpoint = this.#endpoint(address);
    endpoint.open = only ? 1 : endpoint.open + 1;
  }

  /** A handshake was completed, or its failure reported. */
  settled(address: string): void {
    const endpoint = this.#endpoint(address);
    if (endpoint.open > 0) endpoint.open -= 1;
    else if (endpoint.ended > 0) endpoint.ended -= 1;
  }

  /** A connection ended. */
  ended(address: string): void {
    const endpoint = this.#endpoint(address);
    if (endpoint.open === 0) return;
    endpoint.open -= 1;
    endpoint.ended += 1;
    setTimeout(() => {
      if (endpoint.ended === 0) return;
      endpoint.ended = 0;
      const nowMs = performance.now();
      if (nowMs - endpoint.reportedMs < REPORT_MS_MIN) return;
      endpoint.reportedMs = nowMs;
      this.#onAborted(address);
    }, PATIENCE_MS).unref();
  }

  /** The endpoint was released: later reports about it are ignored. */
  forget(address: string): void {
    const endpoint = this.#endpoints.get(address);
    if (endpoint !== undefined) endpoint.ended = 0;
    this.#endpoints.delete(address);
  }

  #endpoint(address: string): { open: number; ended: number; reportedMs: number } {
    let endpoint = this.#endpoints.get(address);
    if (endpoint === undefined) {
      endpoint = { open: 0, ended: 0, reportedMs: Number.NEGATIVE_INFINITY };
      this.#endpoints.set(address, endpoint);
    }
    return endpoint;
  }
}
