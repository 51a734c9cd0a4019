import type { BrokerlessError } from "../../errors.ts";
/** What a socket wants decided for it. */
export interface ZapRegistration {
  /** Whether the client with this public key (32 bytes) may come in. */
  admits(clientKey: Uint8Array): Promise<boolean>;
  /** Nobody decides any more: close the socket. Called at most once, not after `release`. */
  lost(error: BrokerlessError): void;
}

/** A socket's place with the ZAP handler. */
export interface ZapDomain {
  /** The `zapDomain` of this socket and of no other. */
  readonly name: string;
  /**
   * Resolves once the handler has been seen refusing a stranger; await it before a bind.
   * @throws BrokerlessError `BROKERLESS_SECURITY` when it did not, or has stopped
   */
  ready(): Promise<void>;
  /** Gives the place back; with the last one the handler stops. May be called again. */
  release(): void;
}
