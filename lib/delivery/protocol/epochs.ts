/** A place from which what was known in older epochs does not hold. */
export interface EpochStart {
  readonly epoch: number;
  readonly seqFirst: number;
}

/**
 * A life of a stream: from one opening by its sender to the next. Two lives never share an id, so that lists of
 * them tell where two histories of a stream part, whatever was copied, restored, or lost with a disk's cache.
 *
 * @see docs/decisions/0044-lives-of-a-stream.md
 */
export interface Epoch extends EpochStart {
  /** Random (32 hex digits); empty where a sender of another make says none. */
  readonly id: string;
}

/** Starts that are remembered one by one (count). */
const STARTS_MAX = 16;
/** Epochs that a sender tells of, the newest not counted (count). */
export const EPOCHS_BEFORE_MAX = 32;
/** So much of an epoch's id is in the ids of its messages (hex digits): the rest is known to its peers alone. */
const TAG_DIGITS = 8;
/** So much of the first epoch's id is in the name of a history (hex digits). */
const KEY_DIGITS = 16;
const HEX_128 = /^[0-9a-f]{32}$/;

/**
 * Remembers another start. Pure. Of many the oldest are joined with their next, which voids more than it must,
 * never less.
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
 * The first seq of which what was known in `epoch` does not hold any more; infinite where all holds. Pure.
 *
 * Whole epochs may have been missed: it is the lowest start of all that came since.
 */
export function voidFrom(starts: readonly EpochStart[], epoch: number): number {
  let seq = Number.POSITIVE_INFINITY;
  for (const start of starts) if (start.epoch > epoch) seq = Math.min(seq, start.seqFirst);
  return seq;
}

/**
 * A stream's history with another life. Pure. The first life stays, since it is what tells streams apart. Lives
 * that own no seq in this history are left out; of many the oldest are joined with their next, which voids more
 * than it must, never less.
 *
 * @param epochs oldest first
 * @param next its `seqFirst`: nothing from there on is stored
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
 * The first seq that may mean different messages in two histories of a stream; infinite where one of them is not
 * known yet, or they are the same. Pure.
 *
 * A life that both know has the same past in both: what differs began behind the newest such one. A life that only
 * one of them knows may have given every seq from its first on.
 */
export function partingSeq(ours: readonly Epoch[], theirs: readonly Epoch[]): number {
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

/** The name of a stream's history: two that have no life in common are two, though they have one stream id. Pure. */
export function historyKey(stream: string, epochs: readonly Epoch[]): string {
  const root = epochs[0]?.id ?? "";
  return root === "" ? stream : `${stream}-${root.slice(0, KEY_DIGITS)}`;
}

/**
 * The id of a message, which no other message has: the seq alone is given anew where history parts. Pure.
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

/** A life for people: its number and the part of its id that is no secret. Pure. */
export function nameOf(epochs: readonly Epoch[]): string {
  const { epoch, id } = epochs.at(-1) ?? { epoch: 0, id: "" };
  return id === "" ? `epoch ${epoch}` : `epoch ${epoch}, ${id.slice(0, TAG_DIGITS)}`;
}

/**
 * Reads a list of epochs. Pure.
 *
 * @returns null where `value` is none: numbers must rise, and there are at most `EPOCHS_BEFORE_MAX` and one more
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

/** Whether a value is the id of an epoch, or says that there is none. Pure. */
export function isEpochId(value: unknown): value is string {
  return value === "" || (typeof value === "string" && HEX_128.test(value));
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function keyOf({ epoch, id }: Epoch): string {
  return `${epoch}-${id}`;
}
