import { setMaxListeners } from "node:events";
import { type InspectOptions, inspect } from "node:util";
import {
  BrokerlessError,
  type Listener,
  type MessageHeaders,
  type Peer,
  Pull,
  type RejectOptions,
  type ReliableDelivery,
  type ReliablePull,
  type ReliableReceiveOptions,
  type SocketEvents,
  type ValueOptions,
  type WaitOptions,
} from "../lib/index.ts";
import { FileJournal } from "../lib/journal/index.ts";
import { checkNames, VALUE_NAMES } from "./check-names.ts";

/** Options of {@link Pull} that {@link Worker} sets itself. */
type Decided = "reliable" | "inbox" | "prefetch";

/** Options of {@link Worker.start}: its own, and those of a reliable {@link Pull}. */
export interface WorkerOptions<T> extends ValueOptions<T>, Omit<ReliableReceiveOptions, Decided> {
  /** Addresses of queues. A queue that is not running yet is connected as soon as it is. */
  readonly connect: string | readonly string[];
  /**
   * Most jobs in flight at the same time (count).
   *
   * @defaultValue 1
   */
  readonly concurrency?: number | undefined;
  /**
   * Most jobs at this worker, begun or not (count). Default: 1 with a concurrency of 1, else twice the concurrency. A
   * larger value saves a round trip between short jobs, but jobs may wait here while another worker is idle.
   */
  readonly prefetch?: number | undefined;
  /**
   * Longest time of a job (milliseconds). After that the job's `signal` aborts, and other workers may get the job.
   *
   * @defaultValue 900,000
   */
  readonly jobMsMax?: number | undefined;
  /** A directory, of this worker alone, that records across restarts which jobs were done. Default: none. */
  readonly inbox?: string | undefined;
}

/** The names of its options; a missing one does not compile. */
const OPTIONS: Readonly<Record<keyof WorkerOptions<unknown>, true>> = {
  ...VALUE_NAMES,
  concurrency: true,
  connect: true,
  inbox: true,
  jobMsMax: true,
  prefetch: true,
  prefetchBytesMax: true,
};

/**
 * The context of a job that its handler gets beside the value. Of several calls of `reject` and `retry` the first
 * counts: later ones, and the outcome of the handler after them, change nothing.
 */
export interface Job {
  /** The same at every attempt, and different for every job: the key for storing an effect that must happen once. */
  readonly id: string;
  /** The number of this attempt; the first is 1. */
  readonly attempt: number;
  /** The headers, from names to texts, as they were added; empty where there were none. Frozen. */
  readonly headers: MessageHeaders;
  /** Aborts when the job is no longer this worker's: it took too long, or the worker is closing. */
  readonly signal: AbortSignal;
  /** Fails the job for good: it becomes a dead letter with this reason, whatever attempts are left. */
  reject(reason: string, options?: RejectOptions): void;
  /**
   * Fails the attempt; the next one is made after a back-off delay (milliseconds). The error is reported like a thrown
   * one.
   */
  retry(options: { readonly delayMs: number; readonly error?: unknown }): void;
}

/**
 * Processes one job. When it resolves the job is done; when it throws the job is retried later. If it has called
 * `reject` or `retry` before, that call counts instead.
 */
export type Handle<T> = (value: T, job: Job) => unknown;

/** Options of {@link Worker.close}. */
export interface CloseOptions {
  /**
   * Longest wait for jobs in flight to finish (milliseconds).
   *
   * @defaultValue 25,000
   */
  readonly timeoutMs?: number | undefined;
}

/** Counters and gauges of a worker (counts). */
export interface WorkerStats {
  /** Jobs in flight. */
  readonly active: number;
  /** Jobs done since the start. */
  readonly done: number;
  /** Attempts that failed since the start. */
  readonly failed: number;
  /** Queues that are connected. */
  readonly queues: number;
}

/** Below the 30 s after which most supervisors kill a process that they have asked to end (milliseconds). */
const CLOSE_TIMEOUT_MS = 25_000;
const JOB_MS_MAX = 900_000;
/** Checks of a job before its lease ends (count). */
const LOOKS_PER_LEASE = 3;
const TIMER_MS_MAX = 2 ** 31 - 1;

/**
 * The consumer side of a durable work queue: calls a handler for each job, `concurrency` at a time.
 *
 * A job in flight is given to no other worker for as long as this process lives and the job takes no longer than
 * `jobMsMax`. When the process dies, its jobs in flight go to other workers after the queue's `graceMs`.
 *
 * @example
 * ```ts
 * const worker = await Worker.start<Job>({ connect: "tcp://127.0.0.1:5555" }, ({ path }) => resize(path));
 * process.once("SIGTERM", () => worker.close());
 * ```
 *
 * @see docs/decisions/0060-work-queue.md
 */
export class Worker<T = unknown> {
  static {
    const value = function (this: Worker, _depth: unknown, options: InspectOptions): string {
      return `Worker ${inspect(this.stats(), options)}`;
    };
    Object.defineProperty(Worker.prototype, inspect.custom, { value });
  }

  readonly #pull: ReliablePull<T>;
  readonly #inbox: FileJournal | null;
  readonly #stop = new AbortController();
  readonly #unacked = new Set<UnackedJob>();
  readonly #running: Promise<unknown>;
  readonly #jobMsMax: number;
  /** Checks the jobs in flight, while there are any. */
  #timer: NodeJS.Timeout | null = null;
  #periodMs = 0;
  #done = 0;
  #failed = 0;
  #closing: Promise<number> | null = null;

  private constructor(
    parts: { readonly pull: ReliablePull<T>; readonly inbox: FileJournal | null },
    options: WorkerOptions<T>,
    handle: Handle<T>,
  ) {
    this.#pull = parts.pull;
    this.#inbox = parts.inbox;
    const { concurrency, jobMsMax = JOB_MS_MAX } = options;
    this.#jobMsMax = jobMsMax;
    this.#pull.on("leaseLost", () => this.#giveUpLost());
    const each = (value: T, delivery: ReliableDelivery<T>) => this.#work(value, delivery, handle);
    const running = this.#pull.run(each, { concurrency, signal: this.#stop.signal });
    // It ends with the abort reason of this class, which is not an error.
    this.#running = running.catch(() => {});
  }

  /**
   * Connects to queues, and processes jobs until it is closed.
   *
   * @throws TypeError for a wrong option; BrokerlessError as `FileJournal.open` does for the inbox
   */
  static async start<T>(options: WorkerOptions<T>, handle: Handle<T>): Promise<Worker<T>> {
    checkNames("Worker.start", options, Object.keys(OPTIONS));
    const { connect, concurrency = 1, jobMsMax, inbox: directory, ...rest } = options;
    const addresses = typeof connect === "string" ? [connect] : connect;
    // Without an address it would wait for jobs for ever.
    if (!Array.isArray(addresses) || addresses.length === 0) {
      const wanted = "an address, or an array of at least one";
      throw new TypeError(`Worker: option "connect" must be ${wanted}`);
    }
    if (typeof handle !== "function") throw new TypeError("Worker: the handler must be a function");
    for (const [name, value] of Object.entries({ concurrency, jobMsMax })) {
      checkCount(name, value);
    }
    const prefetch = options.prefetch ?? (concurrency === 1 ? 1 : concurrency * 2);
    const inbox = directory === undefined ? null : await FileJournal.open(directory);
    let pull: ReliablePull<T> | null = null;
    try {
      pull = new Pull<T>({ ...rest, prefetch, reliable: true, inbox: inbox ?? undefined });
      for (const address of addresses) pull.connect(address);
      return new Worker({ pull, inbox }, { ...options, concurrency }, handle);
    } catch (error) {
      await pull?.close();
      await inbox?.close();
      throw error;
    }
  }

  /** Resolves when a queue is connected. @throws BrokerlessError `BROKERLESS_TIMEOUT`, `BROKERLESS_CLOSED` */
  ready(options?: Parameters<Pull<T>["ready"]>[0]): Promise<void> {
    return this.#pull.ready(options);
  }

  /** Counters and gauges. Cheap. */
  stats(): WorkerStats {
    const { peers } = this.#pull.stats();
    const [done, failed] = [this.#done, this.#failed];
    return { active: this.#unacked.size, done, failed, queues: peers };
  }

  /** The queues that are connected. The name of a queue (option `name`) is its own claim. */
  queues(): readonly Peer[] {
    return this.#pull.peers();
  }

  /**
   * Adds a listener for an event; `retry` reports each failed attempt, with its error. @returns removes the listener
   */
  on<K extends keyof SocketEvents>(event: K, listener: Listener<SocketEvents[K]>): () => void {
    return this.#pull.on(event, listener);
  }

  /** Resolves with the next event of this name, as {@link Pull.once}. */
  once<K extends keyof SocketEvents>(event: K, options?: WaitOptions): Promise<SocketEvents[K]> {
    return this.#pull.once(event, options);
  }

  /**
   * Accepts no more jobs, waits for those in flight, and disconnects. Jobs that have not finished in time go to other
   * workers at once, and count as an attempt; their `signal` aborts. If a handler still resolves at that moment, its
   * job counts as finished.
   *
   * @returns the number of unfinished jobs, which are left to other workers (count)
   */
  close(options: CloseOptions = {}): Promise<number> {
    checkNames("Worker.close", options, ["timeoutMs"]);
    const { timeoutMs = CLOSE_TIMEOUT_MS } = options;
    checkTimeout("Worker.close: timeoutMs", timeoutMs);
    this.#closing ??= this.#close(timeoutMs);
    return this.#closing;
  }

  /** The same as `close`, for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close();
  }

  async #work(value: T, delivery: ReliableDelivery<T>, handle: Handle<T>): Promise<void> {
    const job = new UnackedJob(delivery);
    this.#unacked.add(job);
    this.#lookAfter(Math.min(delivery.leaseMs, this.#jobMsMax) / LOOKS_PER_LEASE);
    try {
      await handle(value, job);
      if (!delivery.isAcknowledged) this.#done += 1;
    } catch (error) {
      this.#failed += 1;
      job.isFailed ||= !delivery.isAcknowledged;
      throw error;
    } finally {
      this.#unacked.delete(job);
    }
  }

  /** Schedules a check of the jobs in flight after so long (milliseconds), unless an earlier one is scheduled. */
  #lookAfter(periodMs: number): void {
    if (this.#timer !== null && periodMs >= this.#periodMs) return;
    if (this.#timer !== null) clearTimeout(this.#timer);
    this.#periodMs = periodMs;
    this.#timer = setTimeout(() => this.#look(), periodMs);
  }

  /** Extends the leases of jobs in flight, and aborts those that take too long. */
  #look(): void {
    this.#timer = null;
    let leaseMs = Number.POSITIVE_INFINITY;
    for (const job of this.#unacked) {
      if (performance.now() - job.startedMs < this.#jobMsMax) job.renew();
      else job.giveUp(`the job took longer than ${this.#jobMsMax} ms`);
      leaseMs = Math.min(leaseMs, job.leaseMs, this.#jobMsMax);
    }
    if (this.#unacked.size > 0) this.#lookAfter(leaseMs / LOOKS_PER_LEASE);
  }

  #giveUpLost(): void {
    for (const job of this.#unacked) {
      if (!job.isHeld) job.giveUp("the queue gives the job to another worker");
    }
  }

  async #close(timeoutMs: number): Promise<number> {
    this.#stop.abort();
    let timer: NodeJS.Timeout | undefined;
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, timeoutMs);
    });
    await Promise.race([this.#running, patience]);
    clearTimeout(timer);
    if (this.#timer !== null) clearTimeout(this.#timer);
    const late = [...this.#unacked];
    for (const job of late) job.giveUp("the worker is closing");
    // Handlers that end by the abort still count, and their acks are sent before the sockets close.
    await new Promise(setImmediate);
    await this.#pull.drain();
    const left = late.filter((job) => !job.isFinished);
    await this.#pull.close();
    await this.#inbox?.close();
    return left.length;
  }
}

/** A job in flight. */
class UnackedJob implements Job {
  readonly startedMs: number = performance.now();
  /** Whether the attempt has failed: other workers make the next one. */
  isFailed = false;
  readonly #delivery: ReliableDelivery<unknown>;
  readonly #abort = new AbortController();

  constructor(delivery: ReliableDelivery<unknown>) {
    this.#delivery = delivery;
    // A handler may add any number of listeners.
    setMaxListeners(0, this.#abort.signal);
  }

  get id(): string {
    return this.#delivery.id;
  }

  get attempt(): number {
    return this.#delivery.attempt;
  }

  get headers(): MessageHeaders {
    return this.#delivery.headers;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get isHeld(): boolean {
    return this.#delivery.isAcknowledged || this.#delivery.isHeld;
  }

  /** Whether it is done or a dead letter, so that no worker gets it again. */
  get isFinished(): boolean {
    return this.#delivery.isAcknowledged && !this.isFailed;
  }

  reject(reason: string, options?: RejectOptions): void {
    this.#delivery.reject(reason, options);
  }

  retry(options: { readonly delayMs: number; readonly error?: unknown }): void {
    this.isFailed ||= !this.#delivery.isAcknowledged;
    this.#delivery.nack(options);
  }

  get leaseMs(): number {
    return this.#delivery.leaseMs;
  }

  renew(): void {
    this.#delivery.extend(this.leaseMs);
  }

  giveUp(reason: string): void {
    if (this.signal.aborted) return;
    this.#abort.abort(new BrokerlessError("BROKERLESS_CLOSED", reason));
  }
}

/** @throws TypeError unless it is a whole number from 1 up to a timer's longest delay, or omitted */
function checkCount(name: string, value: unknown): void {
  if (value === undefined) return;
  if (Number.isInteger(value) && (value as number) >= 1 && (value as number) <= TIMER_MS_MAX)
    return;
  throw outOfRange(`Worker: option "${name}"`, `a whole number from 1 to ${TIMER_MS_MAX}`, value);
}

/** @throws TypeError unless it is a delay that a timer can have (milliseconds) */
function checkTimeout(name: string, value: unknown): void {
  if (typeof value === "number" && value >= 0 && value <= TIMER_MS_MAX) return;
  throw outOfRange(name, `a number from 0 to ${TIMER_MS_MAX}`, value);
}

function outOfRange(name: string, wanted: string, value: unknown): TypeError {
  const got = typeof value === "number" ? value : `a value of the type ${typeof value}`;
  return new TypeError(`${name} must be ${wanted}, got ${got}`);
}
