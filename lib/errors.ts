import type { StandardSchemaV1 } from "@standard-schema/spec";

/** Every error code of the package, declared once. The row says whether a retry can succeed. */
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

/**
 * The stable code of a runtime failure outside the caller's own code. Codes are part of the API, message texts are not.
 */
export type ErrorCode = keyof typeof CODES;

/** The place of damage in a journal, and the messages lost by it. */
export interface Damage {
  /** Name of the damaged file in the journal's directory. */
  readonly file: string;
  /** First byte that cannot be trusted (byte offset in the file). */
  readonly offset: number;
  /** First seq that is lost. */
  readonly seqFirst: number;
  /** Last seq that is lost; `null` where nothing after the damage shows it. */
  readonly seqLast: number | null;
}

/** Options of a {@link BrokerlessError} besides its message. */
export interface BrokerlessErrorOptions extends ErrorOptions {
  /** Place and extent of the damage, with `BROKERLESS_CORRUPT`. */
  readonly damage?: Damage | undefined;
  /** Issues that the schema reported, with `BROKERLESS_SCHEMA`. */
  readonly issues?: readonly StandardSchemaV1.Issue[] | undefined;
}

/**
 * A failure caused by a peer, the disk, the network or time. Wrong arguments are a `TypeError` instead. Branch on
 * `code` and `retryable`; message texts may change.
 *
 * @example
 * ```ts
 * try {
 *   await push.send(job, { timeoutMs: 1_000 });
 * } catch (error) {
 *   if (!(error instanceof BrokerlessError && error.retryable)) throw error;
 *   // for example BROKERLESS_TIMEOUT: the same call may succeed later
 * }
 * ```
 *
 * @see docs/troubleshooting.md
 */
export class BrokerlessError extends Error {
  /** Identifies the class where `instanceof` cannot, with two copies of the package in one process. */
  override readonly name = "BrokerlessError";
  /** The kind of failure, stable across versions. */
  readonly code: ErrorCode;
  /** Whether the same call may succeed later. */
  readonly retryable: boolean;
  /**
   * Issues that the schema reported, with `BROKERLESS_SCHEMA`. Empty with other codes, and where the schema itself
   * threw: see `cause`.
   */
  readonly issues: readonly StandardSchemaV1.Issue[];
  /** Place and extent of the damage, with `BROKERLESS_CORRUPT`; `null` with other codes. */
  readonly damage: Damage | null;

  constructor(code: ErrorCode, message: string, options?: BrokerlessErrorOptions) {
    super(message, options);
    this.code = code;
    this.retryable = CODES[code].retryable;
    this.issues = options?.issues ?? [];
    this.damage = options?.damage ?? null;
  }
}

/** The fields of a {@link RemoteError}, taken from the error that the replier's handler threw. */
export interface RemoteErrorInit {
  /** The `message` of the error at the replier. */
  readonly message: string;
  /** The `name` of the error at the replier, such as `RangeError`. Default `Error`. */
  readonly remoteName?: string | undefined;
  /** The `code` of the error at the replier; `null` where it had none. */
  readonly remoteCode: string | null;
}

/**
 * The error reply to a request: its handler threw, or the replier refused the request. Texts only; the stack stays at
 * the replier. A handler may also throw one itself, to reply with an error that does not count as a failure of the
 * handler.
 *
 * @example
 * ```ts
 * try {
 *   await requester.request(-1);
 * } catch (error) {
 *   if (!(error instanceof RemoteError)) throw error;
 *   console.error(error.remoteName, error.message); // RangeError must not be negative
 * }
 * ```
 *
 * @see docs/decisions/0006-request-reply.md
 */
export class RemoteError extends Error {
  /** Identifies the class where `instanceof` cannot, with two copies of the package in one process. */
  override readonly name = "RemoteError";
  /** The `name` of the error at the replier, such as `RangeError`. */
  readonly remoteName: string;
  /** The `code` of the error at the replier; `null` where it had none. */
  readonly remoteCode: string | null;

  constructor(init: RemoteErrorInit) {
    super(init.message);
    this.remoteName = init.remoteName ?? "Error";
    this.remoteCode = init.remoteCode;
  }
}
