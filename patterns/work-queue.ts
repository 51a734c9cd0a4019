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

/** What {@link WorkQueue} decides itself. */
type Decided = "reliable" | "journal" | "confirm" | "order";

/** Options of {@link WorkQueue.open}: its own, and those of a {@link Push} with a journal. */
export interface WorkQueueOptions<T> extends ValueOptions<T>, Omit<ReliableSendOptions, Decided> {
  /** Where the jobs are kept until they are done; of this queue alone. It is made where it is missing. */
  readonly directory: string;
  /** Where workers come to: `tcp://127.0.0.1:5555`. Without it call `bind` later. */
  readonly bind?: string | undefined;
  /**
   * When a job counts as stored, as in `FileJournal`. After fdatasync.
   *
   * @defaultValue `"always"`
   */
  readonly sync?: SyncLevel | undefined;
}

/** Its options; one that is missing here does not compile. */
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

/** What a queue tells of itself (counts). */
export interface WorkQueueStats {
  /** Added and not done: waiting, resting before another attempt, or with a worker. */
  readonly unfinished: number;
  /** Done or given up since the queue was opened. */
  readonly finished: number;
  /** Given up, and kept to be looked at. */
  readonly dead: number;
  /** Workers that are connected. */
  readonly workers: number;
}

/**
 * The producer's end of a durable work queue without a broker: the queue is a directory of this process.
 *
 *     const queue = await WorkQueue.open<Thumbnail>({ directory: "queue", bind: "tcp://127.0.0.1:5555" });
 *     await queue.add({ path: "a.jpg" }, { deduplicationId: "a.jpg" });
 *
 *     const worker = await Worker.start<Thumbnail>({ connect: "tcp://127.0.0.1:5555", concurrency: 4 }, make);
 *
 * Promises: a job whose `add` resolved is given to workers until one has finished it, across restarts of this
 * process, of workers and of machines; a job that fails is tried again after a rest that grows (`retryMs`,
 * doubled up to `retryMsMax`, with jitter), and becomes a dead letter after `attemptsMax` attempts. It does
 * not promise that a job is begun only once: a worker that dies half-way has begun it. What a job does should
 * be harmless to repeat, or be stored together with `job.id`. Nor an order: a job that rests holds back none.
 *
 * One process at a time may have the directory open. Several queues, each with its own directory, may feed
 * the same workers.
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
   * Opens the queue of a directory, with all jobs in it that are not done.
   *
   * @throws TypeError for a wrong option; BrokerlessError `BROKERLESS_LOCKED` while another process has the
   * directory open, `BROKERLESS_ADDRESS`, `BROKERLESS_SECURITY`, and what `FileJournal.open` throws
   */
  static async open<T>(options: WorkQueueOptions<T>): Promise<WorkQueue<T>> {
    checkNames("WorkQueue.open", options, Object.keys(OPTIONS));
    const { directory, bind, sync, ...rest } = options;
    const journal = await FileJournal.open(directory, { sync });
    try {
      // "processed" makes `drain` wait for workers; `add` names the level of its own promise.
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

  /** Where workers may connect to, with wildcards resolved. */
  get addresses(): readonly string[] {
    return [...this.#addresses];
  }

  /** Jobs that were given up: to look at, to try anew (`requeue`) or to forget (`purge`). */
  get deadLetters(): DeadLetters<T> {
    return this.#push.deadLetters;
  }

  /**
   * Lets workers come to an address.
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
   * With a `deduplicationId` that was used before, by this process or by one before it, nothing is added. So
   * a producer that does not know whether its job was added, since it was killed, may add it again.
   *
   * @returns resolves when the job is on disk; or with `confirm`, at another level: `"processed"` when a
   * worker has done it
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
   * A stream in object mode that adds what is written to it, as {@link Push.writable}. It finishes when all is on
   * disk; or with `confirm`, at another level.
   */
  writable(options?: ReliableWritableOptions<T>): Writable {
    if (options !== undefined) checkPlain("WorkQueue.writable", options);
    return this.#push.writable({ ...options, confirm: options?.confirm ?? "stored" });
  }

  /**
   * Resolves when every job added before is done, or a dead letter.
   *
   * @throws BrokerlessError `BROKERLESS_TIMEOUT`; `BROKERLESS_CLOSED` where the queue is closed, or closes before; or the
   * signal's reason
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

  /** The workers that are connected: what each calls itself (option `name`) is a claim. */
  workers(): readonly Peer[] {
    return this.#push.peers();
  }

  /** @returns removes the listener again */
  on<K extends keyof SocketEvents>(event: K, listener: Listener<SocketEvents[K]>): () => void {
    return this.#push.on(event, listener);
  }

  /** The next event of this name, as {@link Push.once}. */
  once<K extends keyof SocketEvents>(event: K, options?: WaitOptions): Promise<SocketEvents[K]> {
    return this.#push.once(event, options);
  }

  /**
   * Closes at once: what was added is on disk, what is not done goes on when the queue is opened again.
   * Workers that are busy meanwhile say then what they have finished.
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
