import { BrokerlessError } from "../errors.ts";
import { type Disk, readWhole } from "./disk.ts";
import { diskFailure } from "./failure.ts";
import type { JournalReader, ReadOptions, VerifyReport } from "./journal.ts";
import { decodeMark, MARK_NAME, type Mark } from "./mark.ts";
import { nodeDisk } from "./node-disk.ts";
import { type BatchSource, SourceReader } from "./reader.ts";
import { seqAtTime } from "./seek-time.ts";
import { Segment } from "./segment.ts";
import { type LogView, SegmentCursor } from "./segment-cursor.ts";
import { SEGMENT_HEADER_BYTES, segmentSeed } from "./segment-header.ts";
import { readHeaders } from "./segment-list.ts";
import { scanSegment } from "./segment-scan.ts";
import { verifyLog } from "./verify.ts";

/** How often a following view looks for more (ms). */
const POLL_MS = 25;

/**
 * A file journal seen from another process than its writer: reads, and changes nothing.
 *
 * It goes as far as the writer's mark says that the log is stored, not as far as the file goes. The
 * mark follows the log within some 20 ms while the writer is busy, and at once when it is idle.
 */
export class JournalView {
  readonly #directory: string;
  readonly #disk: Disk;
  readonly #segments: Segment[] = [];
  #seqStored = 0;
  #isClosed = false;

  /**
   * @throws BrokerlessError BROKERLESS_JOURNAL_FAILED where there is no journal or no permission,
   *   BROKERLESS_CORRUPT, BROKERLESS_VERSION
   */
  static async open(directory: string): Promise<JournalView> {
    const view = new JournalView(directory, nodeDisk);
    await view.refresh();
    return view;
  }

  private constructor(directory: string, disk: Disk) {
    this.#directory = directory;
    this.#disk = disk;
  }

  get stream(): string {
    return this.#newest.header.stream;
  }

  get epoch(): number {
    return this.#newest.header.epoch;
  }

  /** The first entry that is still there. */
  get seqFirst(): number {
    return this.#segments[0]!.header.seqBase;
  }

  /** The last entry that the mark covers. */
  get seqStored(): number {
    return this.#seqStored;
  }

  /** The segments, for who inspects them. */
  get segments(): readonly Segment[] {
    return this.#segments;
  }

  /** Looks at the files again. */
  async refresh(): Promise<void> {
    try {
      await this.#load();
    } catch (error) {
      throw diskFailure(error, `read the journal in ${this.#directory}`);
    }
  }

  /** Reads stored entries in order; the contract is that of `Journal.read`. */
  read(options?: ReadOptions): JournalReader {
    return new SourceReader(this.#source(), options);
  }

  verify(): Promise<VerifyReport> {
    return verifyLog(this.#view());
  }

  /** Ends the reads that follow. */
  close(): void {
    this.#isClosed = true;
  }

  get #newest(): Segment {
    return this.#segments.at(-1)!;
  }

  async #load(): Promise<void> {
    const names = await this.#disk.list(this.#directory);
    const mark = names.includes(MARK_NAME)
      ? decodeMark(await readWhole(this.#disk, `${this.#directory}/${MARK_NAME}`))
      : null;
    const headers = await readHeaders(this.#disk, this.#directory, names);
    if (headers.length === 0) {
      const message = `${this.#directory} holds no journal`;
      throw new BrokerlessError("BROKERLESS_JOURNAL_FAILED", message);
    }
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

  #view(): LogView {
    const { seqFirst } = this;
    return {
      disk: this.#disk,
      directory: this.#directory,
      segments: this.#segments,
      seqFirst,
    };
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
      seqAt: (timeMs) => seqAtTime(view.#view(), timeMs, view.seqStored + 1),
      open: async (seq) => new SegmentCursor(view.#view(), seq),
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
