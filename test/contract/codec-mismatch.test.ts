import assert from "node:assert/strict";
import { type CommonOptions, json, msgpack, Pull, Push, raw } from "../../lib/index.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";

const CODECS = { json: json(), msgpack: msgpack(), raw: raw() } as const;
const VALUES = { json: { x: 1 }, msgpack: 5, raw: Buffer.from([1, 2]) } as const;

for (const maker of ["json", "msgpack", "raw"] as const) {
  for (const reader of ["json", "msgpack", "raw"] as const) {
    if (maker === reader) continue;
    const claim = `codecs: a plain pull with ${reader} delivers nothing of a push with ${maker}, and says why`;
    eachTransport(claim, async (t, wire) => {
      const options = (name: typeof maker): CommonOptions & { codec: never } => ({
        codec: CODECS[name] as never,
      });
      const push = open(t, new Push<unknown>(options(maker)));
      const pull = open(t, new Pull<unknown>(options(reader)));
      const errors = errorsOf(pull);
      await wire.join(push, pull);
      const values: unknown[] = [];
      void pull.run((value) => void values.push(value));
      await push.send(VALUES[maker]);
      await eventually(() => assert.equal(errors.length, 1));
      assert.equal(errors[0]!.code, "BROKERLESS_CODEC");
      assert.match(errors[0]!.message, new RegExp(`codec ${maker} .* codec ${reader}:`));
      assert.deepEqual(values, []);
    });
  }
}
