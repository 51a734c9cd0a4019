import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKeyPair, Pull, Push } from "../../lib/index.ts";
import { wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";

for (const transport of ["tcp", "ipc"] as const) {
  for (const reliable of [false, true]) {
    const kind = reliable ? "reliable" : "plain";
    test(`CURVE: a client with a wrong serverKey gets an error event (${transport}, ${kind})`, async (t) => {
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

const NO_GATE = /brokerless-gate/;

for (const transport of ["tcp", "ipc"] as const) {
  test(`CURVE: the server's error names its address and the serverKey of the client (${transport})`, async (t) => {
    const [server, client, other] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
    const bound = open(t, new Pull({ security: { ...server, allow: [client.publicKey] } }));
    const lost = open(t, new Push({ security: { ...client, serverKey: other.publicKey } }));
    const errors = errorsOf(bound);
    const address = await bound.bind(wireOf(t, transport).address());
    lost.connect(address);
    const found = await eventually(() => {
      const error = errors.find(({ code }) => code === "BROKERLESS_SECURITY");
      return error ?? assert.fail("nothing was told");
    });
    assert.ok(found.message.startsWith(`handshake failed at ${address}: `), found.message);
    assert.match(found.message, /the serverKey of the peer is not the publicKey here/);
    for (const { message } of errors) assert.doesNotMatch(message, NO_GATE);
  });

  for (const hasKeys of ["the server", "the client"] as const) {
    test(`CURVE: if only ${hasKeys} has keys, the bound side reports it (${transport})`, async (t) => {
      const [server, client] = [generateKeyPair(), generateKeyPair()];
      const atServer = { security: { ...server, allow: [client.publicKey] } };
      const atClient = { security: { ...client, serverKey: server.publicKey } };
      const bound = open(t, new Pull(hasKeys === "the server" ? atServer : {}));
      const lost = open(t, new Push(hasKeys === "the client" ? atClient : {}));
      const errors = errorsOf(bound);
      lost.connect(await bound.bind(wireOf(t, transport).address()));
      await eventually(() => assert.notEqual(errors.length, 0));
      for (const { message } of errors) {
        assert.match(message, /has keys \(security\) and (it|the other) has none/);
        assert.doesNotMatch(message, NO_GATE);
      }
    });
  }
}

test("CURVE: a gate without keys reports that the client has some", async (t) => {
  const [server, client] = [generateKeyPair(), generateKeyPair()];
  const bound = open(t, new Pull({ gate: true }));
  const lost = open(t, new Push({ security: { ...client, serverKey: server.publicKey } }));
  const errors = errorsOf(bound);
  lost.connect(await bound.bind("tcp://127.0.0.1:*"));
  await eventually(() =>
    assert.match(
      errors[0]?.message ?? "",
      /not the NULL mechanism: it has keys \(security\) and this side has none/,
    ),
  );
});
