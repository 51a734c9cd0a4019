import type { Writable } from "node:stream";
import { type InspectOptions, inspect } from "node:util";
import {
  type DeadLetters,
  type Listener,
  type Peer,
  Push,
  type ReliablePush,
  type ReliableSendOptions,
  type ReliableWritableOptions,
  type SendOptions,
  type SocketEvents,
  type ValueOptions,
  type WaitOptions,
} from "../lib/index.ts";
import { FileJournal, type SyncLevel } from "../lib/journal/index.ts";
import { checkNames, checkPlain, VALUE_NAMES } from "./check-names.ts";

export {
  type CloseOptions,
  type Handle,
  type Job,
  Worker,
  type WorkerOptions,
  type WorkerStats,
} from "./worker.ts";

/** Options of {@link Push} that {@link WorkQueue} sets itself. */
type Decided = "reliable" | "journal" | "confirm" | "order";

/** Options of {@link WorkQueue.open}: its own, and those of a {@link Push} with a journal. */
export interface WorkQueueOptions<T> extends ValueOptions<T>, Omit<ReliableSendOptions, Decided> {
  /**
   * The directory in which jobs are stored until they are done, of this queue alone. Created where it does not exist.
   */
  readonly directory: string;
  /** The address for workers to connect to: `tcp://127.0.0.1:5555`. Default: none; call `bind` later. */
  readonly bind?: string | undefined;
  /**
   * When a job counts as stored, as in `FileJournal`: by default after fdatasync.
   *
   * @defaultValue `"always"`
   */
  readonly sync?: SyncLevel | undefined;
}

/** The names of its options; a missing one does not compile. */
const OPTIONS: Readonly<Record<keyof WorkQueueOptions<unknown>, true>> = {
  ...VALUE_NAMES,
  attemptsMax: true,
  backlogBytesMax: true,
  backlogMessagesMax: true,
  bind: true,
  deadLettersMax: true,
  deduplicationIdsMax: true,
  directory: true,
  graceMs: true,
  leaseMs: true,
  overflow: true,
  retryMs: true,
  retryMsMax: true,
  sync: true,
};

/** Options of {@link WorkQueue.add}. */
export interface AddOptions extends SendOptions {}

/** Counters and gauges of a queue (counts). */
export interface WorkQueueStats {
  /** Jobs that were added and are not done: waiting, in a back-off, or with a worker. */
  readonly unfinished: number;
  /** Jobs done or dead-lettered since the queue was opened. */
  readonly finished: number;
  /** Dead letters, which are kept for inspection. */
  readonly dead: number;
  /** Workers that are connected. */
  readonly workers: number;
}

/**
 * The producer side of a durable work queue without a broker: the queue is a directory of this process.
 *
 * Promises: a job whose `add` resolved is given to workers until one has finished it, across restarts of this process,
 * of workers and of machines. A failed job is retried with exponential back-off and jitter (`retryMs`, doubled up to
 * `retryMsMax`), and becomes a dead letter after `attemptsMax` attempts.
 *
 * Does not promise: that a job is begun only once, since a worker that dies half-way has begun it. Make jobs
 * idempotent, or store their effects together with `job.id`. Nor an order: a job in its back-off delay holds back no
 * other.
 *
 * Only one process at a time can have the directory open. Several queues, each with its own directory, may feed the
 * same workers.
 *
 * @example
 * ```ts
 * const queue = await WorkQueue.open<Thumbnail>({ directory: "queue", bind: "tcp://127.0.0.1:5555" });
 * await queue.add({ path: "a.jpg" }, { deduplicationId: "a.jpg" });
 *
 * // in the workers:
 * const worker = await Worker.start<Thumbnail>({ connect: "tcp://127.0.0.1:5555", concurrency: 4 }, make);
 * ```
 *
 * @see docs/decisions/0060-work-queue.md
 */
export class WorkQueue<T = unknown> {
  static {
    const value = function (this: WorkQueue, _depth: unknown, options: InspectOptions): string {
      const fields = { addresses: this.addresses, ...this.stats() };
      return `WorkQueue ${inspect(fields, { ...options, depth: 1 })}`;
    };
    Object.defineProperty(WorkQueue.prototype, inspect.custom, { value });
  }

  readonly #push: ReliablePush<T>;
  readonly #journal: FileJournal;
  readonly #addresses: string[] = [];
  #closing: Promise<void> | null = null;

  private constructor(push: ReliablePush<T>, journal: FileJournal) {
    this.#push = push;
    this.#journal = journal;
  }

  /**
   * Opens the queue of a directory, with all of its unfinished jobs.
   *
   * @throws TypeError for a wrong option; BrokerlessError `BROKERLESS_LOCKED` while another process has the directory
   * open, `BROKERLESS_ADDRESS`, `BROKERLESS_SECURITY`, and the errors of `FileJournal.open`
   */
  static async open<T>(options: WorkQueueOptions<T>): Promise<WorkQueue<T>> {
    checkNames("WorkQueue.open", options, Object.keys(OPTIONS));
    const { directory, bind, sync, ...rest } = options;
    const journal = await FileJournal.open(directory, { sync });
    try {
      // "processed" makes `drain` wait for workers; `add` passes the level of its own promise.
      const push = new Push<T>({ ...rest, journal, confirm: "processed", order: "none" });
      const queue = new WorkQueue(push, journal);
      try {
        if (bind !== undefined) await queue.bind(bind);
      } catch (error) {
        await push.close();
        throw error;
      }
      return queue;
    } catch (error) {
      await journal.close();
      throw error;
    }
  }

  /** The addresses for workers, with wildcards resolved. */
  get addresses(): readonly string[] {
    return [...this.#addresses];
  }

  /**
   * Dead letters: jobs that failed too often or were rejected. They can be listed, retried (`requeue`) or deleted
   * (`purge`).
   */
  get deadLetters(): DeadLetters<T> {
    return this.#push.deadLetters;
  }

  /**
   * Accepts workers at an address.
   *
   * @returns the address with its wildcard resolved
   * @throws as {@link WorkQueue.open}
   */
  async bind(address: string): Promise<string> {
    const resolved = await this.#push.bind(address);
    this.#addresses.push(resolved);
    return resolved;
  }

  /**
   * Adds a job. Calls that are not awaited share a write and a sync: add many, then await them together.
   *
   * With a `deduplicationId` that was used before, by this process or an earlier one, nothing is added. So a producer
   * that was killed, and cannot know whether its job was added, may add it again.
   *
   * @returns resolves when the job is on disk; with `confirm`, at another level: `"processed"` when a worker has done
   * it
   * @throws BrokerlessError as `Push.send`; with `"processed"` also `BROKERLESS_DEAD_LETTER`
   */
  add(job: T, options?: AddOptions): Promise<void> {
    if (options === undefined) return this.#push.send(job, STORED);
    return this.#add(job, options);
  }

  async #add(job: T, options: AddOptions): Promise<void> {
    checkPlain("WorkQueue.add", options);
    await this.#push.send(job, { ...options, confirm: options.confirm ?? "stored" });
  }

  /**
   * A stream in object mode that adds the jobs written to it, as {@link Push.writable}. It finishes when all of them
   * are on disk; with `confirm`, at another level.
   */
  writable(options?: ReliableWritableOptions<T>): Writable {
    if (options !== undefined) checkPlain("WorkQueue.writable", options);
    return this.#push.writable({ ...options, confirm: options?.confirm ?? "stored" });
  }

  /**
   * Resolves when every job added before the call is done or a dead letter.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`; `BROKERLESS_CLOSED` where the queue is closed, or closes first; or
   * the signal's reason
   */
  finished(options?: WaitOptions): Promise<void> {
    return this.#push.drain(options);
  }

  /** Counters and gauges. Cheap. */
  stats(): WorkQueueStats {
    const { queuedMessages, messagesSent, peers } = this.#push.stats();
    const dead = this.#push.deadLetters.count;
    return { unfinished: queuedMessages, finished: messagesSent, dead, workers: peers };
  }

  /** The workers that are connected. The name of a worker (option `name`) is its own claim. */
  workers(): readonly Peer[] {
    return this.#push.peers();
  }

  /**
   * Adds a listener for an event.
   *
   * @returns removes the listener
   * @throws TypeError for an unknown event, or a listener that is not a function
   */
  on<K extends keyof SocketEvents>(event: K, listener: Listener<SocketEvents[K]>): () => void {
    return this.#push.on(event, listener);
  }

  /** Resolves with the next event of this name, as {@link Push.once}. */
  once<K extends keyof SocketEvents>(event: K, options?: WaitOptions): Promise<SocketEvents[K]> {
    return this.#push.once(event, options);
  }

  /**
   * Closes at once. Added jobs are on disk, and unfinished ones continue when the queue is opened again. Workers report
   * jobs that they finish meanwhile when they are connected again.
   *
   * @returns resolves when the address and the directory can be opened again
   */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  /** The same as `close`, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close();
  }

  async #close(): Promise<void> {
    await this.#push.close();
    await this.#journal.close();
  }
}

const STORED: SendOptions = Object.freeze({ confirm: "stored" });
