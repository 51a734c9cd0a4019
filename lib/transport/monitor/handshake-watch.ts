/** A handshake is over within this time, or nothing comes of it (milliseconds). */
const PATIENCE_MS = 250;
/** A peer that tries again and again is reported no more often than this (milliseconds). */
const REPORT_MS_MIN = 5_000;

/**
 * Notices connections that end before their handshake without a word: libzmq drops a peer whose socket is of a
 * kind that does not fit, and reports nothing but the end.
 *
 * Ends carry the endpoint only, so an end may be that of another connection; it is therefore reported only when
 * the handshake that it may belong to has not been completed a little later.
 */
export class HandshakeWatch {
  readonly #onAborted: (address: string) => void;
  readonly #endpoints = new Map<string, { open: number; ended: number; reportedMs: number }>();

  /** @param onAborted told of an endpoint where a connection ended before its handshake */
  constructor(onAborted: (address: string) => void) {
    this.#onAborted = onAborted;
  }

  /**
   * A connection was made, in either direction.
   *
   * @param only whether the endpoint has one connection at a time, so that an earlier one was given up
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

  /** The endpoint was given up: nothing that is still reported of it is news. */
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
