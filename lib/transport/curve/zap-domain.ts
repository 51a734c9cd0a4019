import type { BrokerlessError } from "../../errors.ts";
/** A socket's admission policy, registered with the ZAP handler. */
export interface ZapRegistration {
  /** Whether the client with this public key (32 bytes) is admitted. */
  admits(clientKey: Uint8Array): Promise<boolean>;
  /** The handler has stopped: close the socket. Called at most once, not after `release`. */
  lost(error: BrokerlessError): void;
}

/** A socket's registration with the ZAP handler. */
export interface ZapDomain {
  /** The `zapDomain` of this socket and of no other. */
  readonly name: string;
  /**
   * Resolves once the handler has refused an unknown key in a test; await it before a bind.
   * @throws BrokerlessError `BROKERLESS_SECURITY` when it did not, or has stopped
   */
  ready(): Promise<void>;
  /** Ends the registration; with the last one the handler stops. May be called again. */
  release(): void;
}
