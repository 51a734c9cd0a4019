/** The start of an epoch: from this seq on, everything known in older epochs is invalidated. */
export interface EpochStart {
  readonly epoch: number;
  readonly seqFirst: number;
}

/**
 * A life of a stream: from one opening by its sender to the next. Two lives never share an id, so lists of lives
 * show where two histories of a stream diverge, whatever was copied, restored, or lost with a disk's cache.
 *
 * @see docs/decisions/0044-lives-of-a-stream.md
 */
export interface Epoch extends EpochStart {
  /** Random (32 hex digits); empty where a sender of another implementation sends none. */
  readonly id: string;
}

/** Limit on starts remembered one by one (count). */
const STARTS_MAX = 16;
/** Limit on epochs that a sender reports, without the newest (count). */
export const EPOCHS_BEFORE_MAX = 32;
/** Length of the part of an epoch's id in the ids of its messages (hex digits): only peers know the rest. */
const TAG_DIGITS = 8;
/** Length of the part of the first epoch's id in the name of a history (hex digits). */
const KEY_DIGITS = 16;
const HEX_128 = /^[0-9a-f]{32}$/;

/**
 * Adds a start. Pure. If there are too many, the oldest are merged with their successors, which invalidates more than
 * necessary, never less.
 *
 * @param starts oldest first
 */
export function withStart(starts: readonly EpochStart[], start: EpochStart): readonly EpochStart[] {
  const all = [...starts, start];
  while (all.length > STARTS_MAX) {
    const [oldest, next] = all.splice(0, 2) as [EpochStart, EpochStart];
    all.unshift({ ...next, seqFirst: Math.min(oldest.seqFirst, next.seqFirst) });
  }
  return all;
}

/**
 * The first seq from which on everything known in `epoch` is invalidated; infinite if nothing is. Pure.
 *
 * Whole epochs may have been missed, so it is the lowest start of all epochs since.
 */
export function voidFrom(starts: readonly EpochStart[], epoch: number): number {
  let seq = Number.POSITIVE_INFINITY;
  for (const start of starts) if (start.epoch > epoch) seq = Math.min(seq, start.seqFirst);
  return seq;
}

/**
 * A stream's history with another life. Pure. The first life is always kept, since it distinguishes streams. Lives
 * that own no seq in this history are left out; if there are too many, the oldest are merged with their successors,
 * which invalidates more than necessary, never less.
 *
 * @param epochs oldest first
 * @param next the new life; nothing from its `seqFirst` on is stored
 */
export function withEpoch(epochs: readonly Epoch[], next: Epoch): readonly Epoch[] {
  const [root, ...later] = epochs;
  if (root === undefined) return [next];
  const all = [...later.filter(({ seqFirst }) => seqFirst < next.seqFirst), next];
  while (all.length > EPOCHS_BEFORE_MAX) {
    const [oldest, second] = all.splice(0, 2) as [Epoch, Epoch];
    all.unshift({ ...second, seqFirst: Math.min(oldest.seqFirst, second.seqFirst) });
  }
  return [root, ...all];
}

/**
 * The first seq that may identify different messages in two histories of a stream; infinite if one of them is not
 * known yet, or they are the same. Pure.
 *
 * A life in both histories has the same past in both, so all differences began after the newest common life. A life in
 * only one of them may have assigned every seq from its first on.
 */
export function divergenceSeq(ours: readonly Epoch[], theirs: readonly Epoch[]): number {
  if (ours.length === 0 || theirs.length === 0) return Number.POSITIVE_INFINITY;
  const places = new Map(ours.map((epoch, index) => [keyOf(epoch), index]));
  let common = theirs.length - 1;
  while (common >= 0 && !places.has(keyOf(theirs[common]!))) common -= 1;
  const ourCommon = common < 0 ? -1 : places.get(keyOf(theirs[common]!))!;
  let seq = Number.POSITIVE_INFINITY;
  for (const { seqFirst } of ours.slice(ourCommon + 1)) seq = Math.min(seq, seqFirst);
  for (const { seqFirst } of theirs.slice(common + 1)) seq = Math.min(seq, seqFirst);
  return seq;
}

/** Whether two histories end in the same life. Pure. */
export function isSameLife(ours: readonly Epoch[], theirs: readonly Epoch[]): boolean {
  const [our, their] = [ours.at(-1), theirs.at(-1)];
  if (our === undefined || their === undefined) return false;
  return our.id !== "" && keyOf(our) === keyOf(their);
}

/** The name of a stream's history: it differs for histories of one stream id that have no common life. Pure. */
export function historyKey(stream: string, epochs: readonly Epoch[]): string {
  const root = epochs[0]?.id ?? "";
  return root === "" ? stream : `${stream}-${root.slice(0, KEY_DIGITS)}`;
}

/**
 * The id of a message, which no other message has: the seq alone is reused where histories diverge. Pure.
 *
 * @param epochs the history of its stream, oldest first
 */
export function messageId(stream: string, epochs: readonly Epoch[], seq: number): string {
  let at = epochs.length - 1;
  while (at > 0 && epochs[at]!.seqFirst > seq) at -= 1;
  const epoch = epochs[at];
  const tag = epoch === undefined ? 0 : epoch.id.slice(0, TAG_DIGITS) || epoch.epoch;
  return `${stream}-${tag}-${seq}`;
}

/** The newest life as a text for people: its number and the part of its id that is not secret. Pure. */
export function nameOf(epochs: readonly Epoch[]): string {
  const { epoch, id } = epochs.at(-1) ?? { epoch: 0, id: "" };
  return id === "" ? `epoch ${epoch}` : `epoch ${epoch}, ${id.slice(0, TAG_DIGITS)}`;
}

/**
 * Validates a list of epochs. Pure.
 *
 * @returns null if `value` is no such list: numbers must rise, and there are at most `EPOCHS_BEFORE_MAX + 1`
 */
export function parseEpochs(value: unknown): readonly Epoch[] | null {
  if (!Array.isArray(value) || value.length > EPOCHS_BEFORE_MAX + 1) return null;
  let before = -1;
  const epochs: Epoch[] = [];
  for (const one of value as readonly (Partial<Epoch> | null)[]) {
    const { epoch, seqFirst, id = "" } = one ?? {};
    if (!isWhole(epoch) || !isWhole(seqFirst) || !isEpochId(id) || epoch <= before) return null;
    before = epoch;
    epochs.push({ epoch, seqFirst, id });
  }
  return epochs;
}

/** Whether a value is an id of 32 hex digits, or the empty text, which stands for none. Pure. */
export function isEpochId(value: unknown): value is string {
  return value === "" || (typeof value === "string" && HEX_128.test(value));
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function keyOf({ epoch, id }: Epoch): string {
  return `${epoch}-${id}`;
}
