import {
  INDEX_MUTANTS,
  JSON_MUTANTS,
  OWN_CODEC_MUTANTS,
  SINGLE_MUTANTS,
  SIZE_MUTANTS,
} from "../support/codec-mutants.ts";
import { assertHunted } from "../support/mutation.ts";

assertHunted(
  "controls: without a count before an encoding, or a check of a codec, its test fails",
  [...SIZE_MUTANTS, ...OWN_CODEC_MUTANTS],
  ["codec/encode-limits.test.ts", "codec/msgpack-elements.test.ts", "codec/own-codec.test.ts"],
);

assertHunted(
  "controls: where keys that are indices take memory for absent ones, its test fails",
  INDEX_MUTANTS,
  ["codec/index-keys.test.ts"],
);

assertHunted(
  "controls: without a check for single texts and bytes, its test fails",
  SINGLE_MUTANTS,
  ["codec/single.test.ts"],
);

assertHunted("controls: where JSON changes a value without a word, its test fails", JSON_MUTANTS, [
  "codec/json.test.ts",
]);
