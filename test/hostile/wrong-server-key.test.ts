import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKeyPair, Pull, Push } from "../../lib/index.ts";
import { wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";

for (const transport of ["tcp", "ipc"] as const) {
  for (const reliable of [false, true]) {
    const kind = reliable ? "reliable" : "plain";
    test(`CURVE: a client with a wrong serverKey is told (${transport}, ${kind})`, async (t) => {
      const [server, client, other] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
      const bound = open(
        t,
        new Pull({ reliable, security: { ...server, allow: [client.publicKey] } }),
      );
      const lost = open(
        t,
        new Push({ reliable, security: { ...client, serverKey: other.publicKey } }),
      );
      const good = open(
        t,
        new Push({ reliable, security: { ...client, serverKey: server.publicKey } }),
      );
      const [errors, none] = [errorsOf(lost), errorsOf(good)];
      const address = await bound.bind(wireOf(t, transport).address());
      good.connect(address);
      lost.connect(address);
      await eventually(() =>
        assert.ok(
          errors.some(
            ({ code, message }) => code === "BROKERLESS_SECURITY" && /serverKey/.test(message),
          ),
        ),
      );
      // While its next try is not due, and at any other time, it can be given up and taken again.
      lost.disconnect(address);
      lost.connect(address);
      lost.disconnect(address);
      await good.ready();
      assert.deepEqual(none, []);
    });
  }
}
