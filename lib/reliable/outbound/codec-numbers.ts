import { CODEC_BYTES } from "../../batch/layout.ts";

/** Numbers of codecs in a batch's header. */
const CODEC_NUMBERS: Readonly<Record<string, number>> = { raw: 1, msgpack: 2, json: 3 };

/** The number of a codec in a batch's header; one for all codecs that are not of this package. Pure. */
export function codecNumberOf(name: string): number {
  return CODEC_NUMBERS[name] ?? CODEC_BYTES;
}

/** How the codec with a number is called, for people. Pure. */
export function codecNameOf(number: number): string {
  const known = Object.entries(CODEC_NUMBERS).find(([, value]) => value === number);
  return known?.[0] ?? `number ${number}, which is none of this package`;
}
