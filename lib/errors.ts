import type { StandardSchemaV1 } from "@standard-schema/spec";

/** Every code we raise, declared once; the row says whether trying again can help. */
const CODES = {
  BROKERLESS_ADDRESS: { retryable: true },
  BROKERLESS_CLOSED: { retryable: false },
  BROKERLESS_CODEC: { retryable: false },
  BROKERLESS_CORRUPT: { retryable: false },
  BROKERLESS_DEAD_LETTER: { retryable: false },
  BROKERLESS_DIVERGED: { retryable: false },
  BROKERLESS_DROPPED: { retryable: true },
  BROKERLESS_FULL: { retryable: true },
  BROKERLESS_GAP: { retryable: false },
  BROKERLESS_JOURNAL_FAILED: { retryable: false },
  BROKERLESS_LEASE_LOST: { retryable: false },
  BROKERLESS_LOCKED: { retryable: true },
  BROKERLESS_NO_SPACE: { retryable: true },
  BROKERLESS_PROTOCOL: { retryable: false },
  BROKERLESS_SCHEMA: { retryable: false },
  BROKERLESS_SECURITY: { retryable: false },
  BROKERLESS_TIMEOUT: { retryable: true },
  BROKERLESS_TOO_LARGE: { retryable: false },
  BROKERLESS_UNROUTABLE: { retryable: true },
  BROKERLESS_UNSUPPORTED: { retryable: false },
  BROKERLESS_VERSION: { retryable: false },
} as const;

/** The stable names of what can go wrong outside the caller's own code. Codes are API, messages are not. */
export type ErrorCode = keyof typeof CODES;

/** Where a journal is damaged, and what that cost. */
export interface Damage {
  /** Name of the file in the journal's directory. */
  readonly file: string;
  /** First byte that cannot be trusted (byte offset in the file). */
  readonly offset: number;
  /** First seq that is lost. */
  readonly seqFirst: number;
  /** Last seq that is lost; `null` where nothing behind the damage tells. */
  readonly seqLast: number | null;
}

/** What a {@link BrokerlessError} may carry beside its message. */
export interface BrokerlessErrorOptions extends ErrorOptions {
  /** Where and what, with `BROKERLESS_CORRUPT`. */
  readonly damage?: Damage | undefined;
  /** What the schema found, with `BROKERLESS_SCHEMA`. */
  readonly issues?: readonly StandardSchemaV1.Issue[] | undefined;
}

/** What a peer, a disk or time may do to us. Bad arguments are a TypeError instead. */
export class BrokerlessError extends Error {
  /** Tells the class where `instanceof` cannot, for two copies of the package. */
  override readonly name = "BrokerlessError";
  /** What has failed, stable across versions. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /** What the schema found, with `BROKERLESS_SCHEMA`; empty otherwise, and where the schema threw: see `cause`. */
  readonly issues: readonly StandardSchemaV1.Issue[];
  /** Where and what, with `BROKERLESS_CORRUPT`; `null` otherwise. */
  readonly damage: Damage | null;

  constructor(code: ErrorCode, message: string, options?: BrokerlessErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryable = CODES[code].retryable;
    this.issues = options?.issues ?? [];
    this.damage = options?.damage ?? null;
  }
}

/** What a {@link RemoteError} knows of the error that the replier's handler threw. */
export interface RemoteErrorInit {
  /** The message of the error at the replier. */
  readonly message: string;
  /** The `name` of the error at the replier, such as `RangeError`. */
  readonly remoteName: string;
  /** The `code` of the error at the replier, where it had one. */
  readonly remoteCode: string | null;
}

/** A replier's handler threw, or refused the request: its error, as far as it travels. */
export class RemoteError extends Error {
  /** Tells the class where `instanceof` cannot, for two copies of the package. */
  override readonly name = "RemoteError";
  /** The `name` of the error at the replier, such as `RangeError`. */
  readonly remoteName: string;
  /** The `code` of the error at the replier, where it had one. */
  readonly remoteCode: string | null;

  constructor(init: RemoteErrorInit) {
    super(init.message);
    this.remoteName = init.remoteName;
    this.remoteCode = init.remoteCode;
  }
}
