import { BrokerlessError } from "../../errors.ts";
import { type Disk, readWhole } from "../disk/disk.ts";
import { directoryFailure, diskFailure } from "../disk/disk-errors.ts";
import { MARK_NAME, segmentNumber } from "../disk/file-names.ts";
import { journalPlace } from "../disk/journal-place.ts";
import { nodeDisk } from "../disk/node-disk.ts";
import { nodePorts } from "../disk/ports.ts";
import { decodeMark, type Mark } from "../format/durable-mark.ts";
import { SEGMENT_HEADER_BYTES, type SegmentHeader, segmentSeed } from "../format/segment-header.ts";
import type { JournalReader, ReadOptions, VerifyReport } from "../journal.ts";
import { type BatchSource, SourceReader } from "../reader.ts";
import { openingRefusal, withRefusal } from "../recovery/opening.ts";
import { verifyLog } from "../recovery/verify.ts";
import { seqAtTime } from "../segment/seek-time.ts";
import { Segment } from "../segment/segment.ts";
import { type LogView, SegmentCursor } from "../segment/segment-cursor.ts";
import { readHeaders } from "../segment/segment-list.ts";
import { scanSegment } from "../segment/segment-scan.ts";

/**
 * Attempts with different results after which a view gives up and reports the last result (count).
 */
const LOOKS_MAX = 100;
/** Interval at which a following view checks for more (ms). */
const POLL_MS = 25;

/** The state of the files at one attempt. */
interface Look {
  readonly mark: Mark | null;
  readonly headers: readonly SegmentHeader[];
}

/**
 * A read-only view of a file journal, for processes other than its writer.
 *
 * It extends to the writer's mark, which records how far the log is stored, and not to the end of
 * the file. The mark lags behind the log by some 20 ms while the writer is busy, and is written at
 * once when it becomes idle.
 *
 * @example
 * ```ts
 * const view = await JournalView.open("log");
 * for await (const { seq, value } of view.read({ from: "end", follow: true })) {
 *   console.log(seq, String(value));
 * }
 * ```
 */
export class JournalView {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #segments: Segment[] = [];
  #seqStored = 0;
  #isClosed = false;

  /**
   * Opens the journal in a directory for reading; it is never created.
   *
   * @throws TypeError for an invalid path
   * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED where there is no journal or no permission,
   *   BROKERLESS_CORRUPT, BROKERLESS_VERSION
   */
  static async open(directory: string): Promise<JournalView> {
    const view = new JournalView(journalPlace("JournalView", directory), nodeDisk);
    await view.refresh();
    return view;
  }

  private constructor(directory: string, disk: Disk) {
    this.#directory = directory;
    this.#disk = disk;
  }

  /** The id of the stream (32 hex digits). */
  get stream(): string {
    return this.#newest.header.stream;
  }

  /** The epoch of the newest entries. */
  get epoch(): number {
    return this.#newest.header.epoch;
  }

  /** The first entry that is kept. */
  get seqFirst(): number {
    return this.#segments[0]!.header.seqBase;
  }

  /** The last entry that the mark covers. */
  get seqStored(): number {
    return this.#seqStored;
  }

  /** The segments, for inspection. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** The files, for direct access. */
  get log(): LogView {
    const view = this;
    return {
      disk: this.#disk,
      directory: this.#directory,
      segments: this.#segments,
      get seqFirst() {
        return view.seqFirst;
      },
      wasFreed: (segment) => this.#wasFreed(segment),
    };
  }

  /** Reads the state of the files again. */
  async refresh(): Promise<void> {
    try {
      await this.#load();
    } catch (error) {
      throw diskFailure(error, `read the journal in ${this.#directory}`);
    }
  }

  /**
   * Reads stored entries in order; the contract is that of `Journal.read`.
   *
   * @throws TypeError for an invalid position or an unknown option
   */
  read(options?: ReadOptions): JournalReader {
    return new SourceReader(this.#source(), options);
  }

  /** Checks all stored entries, and that an owner's open would not refuse the journal. */
  async verify(): Promise<VerifyReport> {
    const report = await verifyLog(this.log);
    const place = { disk: this.#disk, directory: this.#directory, bootId: nodePorts.bootId };
    try {
      return withRefusal(report, await openingRefusal(place));
    } catch (error) {
      throw diskFailure(error, `read the journal in ${this.#directory}`);
    }
  }

  /** Ends the reads that follow. */
  close(): void {
    this.#isClosed = true;
  }

  get #newest(): Segment {
    return this.#segments.at(-1)!;
  }

  /**
   * The owner starts and frees segments during an attempt, so an attempt may combine states of
   * different moments. A fault that occurs twice in the same way is real.
   */
  async #load(): Promise<void> {
    let before = "";
    for (let looks = 1; ; looks++) {
      const names = await this.#list();
      let fault: string;
      try {
        const look = await this.#look(names);
        fault = lookFault(names, look);
        if (fault === "" || fault === before || looks === LOOKS_MAX) return await this.#take(look);
      } catch (error) {
        fault = `${names.join()} ${(error as Error).message}`;
        if (fault === before || looks === LOOKS_MAX) throw error;
      }
      before = fault;
    }
  }

  async #list(): Promise<string[]> {
    try {
      return (await this.#disk.list(this.#directory)).sort();
    } catch (error) {
      throw directoryFailure(error, `read the journal in ${this.#directory}`);
    }
  }

  async #look(names: readonly string[]): Promise<Look> {
    const mark = names.includes(MARK_NAME)
      ? decodeMark(await readWhole(this.#disk, `${this.#directory}/${MARK_NAME}`))
      : null;
    const headers = await readHeaders(this.#disk, this.#directory, names, "other");
    if (headers.length > 0) return { mark, headers };
    const message = `${this.#directory} holds no journal`;
    throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
  }

  async #take({ mark, headers }: Look): Promise<void> {
    const known = new Map(this.#segments.map((segment) => [segment.header.number, segment]));
    this.#segments.length = 0;
    for (const [index, header] of headers.entries()) {
      const segment = known.get(header.number) ?? new Segment(header, header.bornBytes);
      segment.end = headers[index + 1]?.previousBytes ?? segment.end;
      this.#segments.push(segment);
    }
    await this.#findEnd(mark);
  }

  async #findEnd(mark: Mark | null): Promise<void> {
    const newest = this.#newest;
    const { number, stream, seqBase, epoch } = newest.header;
    if (mark !== null && mark.stream === stream && mark.segment === number) {
      newest.end = mark.storedOffset;
      this.#seqStored = mark.seqStored;
    } else if (mark !== null) {
      this.#seqStored = seqBase - 1;
    } else {
      const bytes = await readWhole(this.#disk, `${this.#directory}/${newest.name}`);
      const state = { stream, epoch, seqNext: seqBase, timeMs: 0 };
      const seed = segmentSeed(newest.header);
      const scan = scanSegment(bytes, { offset: SEGMENT_HEADER_BYTES, seed, state });
      newest.end = scan.end;
      this.#seqStored = scan.state.seqNext - 1;
    }
  }

  /** Checks from the oldest segment on: where an older one exists, this one was lost. */
  async #wasFreed({ header }: Segment): Promise<boolean> {
    const names = await this.#disk.list(this.#directory).catch(() => null);
    if (names === null) return false;
    return names.map(segmentNumber).every((number) => number === null || number > header.number);
  }

  #source(): BatchSource {
    const view = this;
    return {
      get seqFirst() {
        return view.seqFirst;
      },
      get seqStored() {
        return view.seqStored;
      },
      seqAt: (timeMs) => seqAtTime(view.log, timeMs, view.seqStored + 1),
      open: async (seq) => new SegmentCursor(view.log, seq),
      refresh: () => view.refresh(),
      async stored(seq) {
        while (!view.#isClosed && view.seqStored <= seq) {
          await new Promise((resolve) => setTimeout(resolve, POLL_MS));
          await view.refresh();
        }
        return view.seqStored > seq ? "stored" : "closed";
      },
    };
  }
}

/**
 * The reason for another attempt: the mark was being written, or belongs to a segment started
 * since.
 */
function lookFault(names: readonly string[], { mark, headers }: Look): string {
  const newest = headers.at(-1)!.number;
  if (names.includes(MARK_NAME) && mark === null) return "the mark cannot be read";
  return mark !== null && mark.segment > newest ? `no segment ${mark.segment}` : "";
}
