/**
 * An incarnation of a stream, or life: from one opening by its sender to the next. Two incarnations never share an id,
 * so lists of them show where two histories of a stream diverge, whatever was copied, restored, or lost with a disk's
 * cache.
 *
 * @see docs/decisions/0044-lives-of-a-stream.md
 */
export interface Incarnation {
  /** Its number: not below the journal's epoch then. Called so on the wire and on the disk. */
  readonly epoch: number;
  /** The first seq that may be written in it. */
  readonly seqFirst: number;
  /** Random (32 hex digits); empty where a sender of another implementation sends none. */
  readonly id: string;
}

/** Limit on incarnations that a sender reports, without the newest (count). */
export const INCARNATIONS_BEFORE_MAX = 32;
/** Length of the part of an incarnation's id in the ids of its messages (hex digits): only peers know the rest. */
const TAG_DIGITS = 8;
/** Length of the part of the first incarnation's id in the name of a history (hex digits). */
const KEY_DIGITS = 16;
const HEX_128 = /^[0-9a-f]{32}$/;

/**
 * A stream's history with another life. Pure. The first life is always kept, since it distinguishes streams. Lives
 * that own no seq in this history are left out; if there are too many, the oldest are merged with their successors,
 * which invalidates more than necessary, never less.
 *
 * @param incarnations oldest first
 * @param next the new life; nothing from its `seqFirst` on is stored
 */
export function withIncarnation(
  incarnations: readonly Incarnation[],
  next: Incarnation,
): readonly Incarnation[] {
  const [root, ...later] = incarnations;
  if (root === undefined) return [next];
  const all = [...later.filter(({ seqFirst }) => seqFirst < next.seqFirst), next];
  while (all.length > INCARNATIONS_BEFORE_MAX) {
    const [oldest, second] = all.splice(0, 2) as [Incarnation, Incarnation];
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
export function divergenceSeq(
  ours: readonly Incarnation[],
  theirs: readonly Incarnation[],
): number {
  if (ours.length === 0 || theirs.length === 0) return Number.POSITIVE_INFINITY;
  const places = new Map(ours.map((one, index) => [keyOf(one), index]));
  let common = theirs.length - 1;
  while (common >= 0 && !places.has(keyOf(theirs[common]!))) common -= 1;
  const ourCommon = common < 0 ? -1 : places.get(keyOf(theirs[common]!))!;
  let seq = Number.POSITIVE_INFINITY;
  for (const { seqFirst } of ours.slice(ourCommon + 1)) seq = Math.min(seq, seqFirst);
  for (const { seqFirst } of theirs.slice(common + 1)) seq = Math.min(seq, seqFirst);
  return seq;
}

/** Whether two histories end in the same life. Pure. */
export function isSameIncarnation(
  ours: readonly Incarnation[],
  theirs: readonly Incarnation[],
): boolean {
  const [our, their] = [ours.at(-1), theirs.at(-1)];
  if (our === undefined || their === undefined) return false;
  return our.id !== "" && keyOf(our) === keyOf(their);
}

/** The name of a stream's history: it differs for histories of one stream id that have no common life. Pure. */
export function historyKey(stream: string, incarnations: readonly Incarnation[]): string {
  const root = incarnations[0]?.id ?? "";
  return root === "" ? stream : `${stream}-${root.slice(0, KEY_DIGITS)}`;
}

/**
 * The id of a message, which no other message has: the seq alone is reused where histories diverge. Pure.
 *
 * @param incarnations the history of its stream, oldest first
 */
export function messageId(
  stream: string,
  incarnations: readonly Incarnation[],
  seq: number,
): string {
  let at = incarnations.length - 1;
  while (at > 0 && incarnations[at]!.seqFirst > seq) at -= 1;
  const owner = incarnations[at];
  const tag = owner === undefined ? 0 : owner.id.slice(0, TAG_DIGITS) || owner.epoch;
  return `${stream}-${tag}-${seq}`;
}

/** The newest life as a text for people: its number and the part of its id that is not secret. Pure. */
export function incarnationLabel(incarnations: readonly Incarnation[]): string {
  const { epoch, id } = incarnations.at(-1) ?? { epoch: 0, id: "" };
  return id === "" ? `epoch ${epoch}` : `epoch ${epoch}, ${id.slice(0, TAG_DIGITS)}`;
}

/**
 * Validates a list of incarnations. Pure.
 *
 * @returns null if `value` is no such list: numbers must rise, and there are at most `INCARNATIONS_BEFORE_MAX + 1`
 */
export function parseIncarnations(value: unknown): readonly Incarnation[] | null {
  if (!Array.isArray(value) || value.length > INCARNATIONS_BEFORE_MAX + 1) return null;
  let before = -1;
  const incarnations: Incarnation[] = [];
  for (const one of value as readonly (Partial<Incarnation> | null)[]) {
    const { epoch, seqFirst, id = "" } = one ?? {};
    if (!isWhole(epoch) || !isWhole(seqFirst) || !isIncarnationId(id) || epoch <= before)
      return null;
    before = epoch;
    incarnations.push({ epoch, seqFirst, id });
  }
  return incarnations;
}

/** Whether a value is an id of 32 hex digits, or the empty text, which stands for none. Pure. */
export function isIncarnationId(value: unknown): value is string {
  return value === "" || (typeof value === "string" && HEX_128.test(value));
}

function isWhole(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function keyOf({ epoch, id }: Incarnation): string {
  return `${epoch}-${id}`;
}
