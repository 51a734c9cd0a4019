import { OWN_CODEC_MUTANTS, SIZE_MUTANTS } from "../support/codec-mutants.ts";
import { assertHunted } from "../support/mutation.ts";

assertHunted(
  "controls: with a count before an encoding, or what is refused of a codec, taken away, its test fails",
  [...SIZE_MUTANTS, ...OWN_CODEC_MUTANTS],
  ["codec/encode-limits.test.ts", "codec/own-codec.test.ts"],
);
