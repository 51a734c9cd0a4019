import {
  INDEX_MUTANTS,
  OWN_CODEC_MUTANTS,
  SINGLE_MUTANTS,
  SIZE_MUTANTS,
} from "../support/codec-mutants.ts";
import { assertHunted } from "../support/mutation.ts";

assertHunted(
  "controls: with a count before an encoding, or what is refused of a codec, taken away, its test fails",
  [...SIZE_MUTANTS, ...OWN_CODEC_MUTANTS],
  ["codec/encode-limits.test.ts", "codec/own-codec.test.ts"],
);

assertHunted(
  "controls: where keys that are indices take memory for others, its test fails",
  INDEX_MUTANTS,
  ["codec/index-keys.test.ts"],
);

assertHunted(
  "controls: where a text or bytes by themselves are written or read carelessly, its test fails",
  SINGLE_MUTANTS,
  ["codec/single.test.ts"],
);
