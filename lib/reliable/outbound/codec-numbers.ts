import { CODEC_BYTES } from "../../batch/layout.ts";

/** Numbers of codecs in the header of a batch. */
const CODEC_NUMBERS: Readonly<Record<string, number>> = { raw: 1, msgpack: 2, json: 3 };

/** The number of a codec in the header of a batch; one shared number for all codecs outside this package. Pure. */
export function codecNumberOf(name: string): number {
  return CODEC_NUMBERS[name] ?? CODEC_BYTES;
}

/** The name of the codec with a number, for messages to people. Pure. */
export function codecNameOf(number: number): string {
  const known = Object.entries(CODEC_NUMBERS).find(([, value]) => value === number);
  return known?.[0] ?? `number ${number}, which is none of this package`;
}
