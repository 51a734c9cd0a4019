import assert from "node:assert/strict";
import { test } from "node:test";
import { generateKeyPair, Pull, Push, type Security } from "../../lib/index.ts";
import { wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

const [server, client, other] = [generateKeyPair(), generateKeyPair(), generateKeyPair()];
type Keys = { readonly security?: Exclude<Security, "none"> };

/** A bound socket, and a peer that it refuses. */
const CASES: Readonly<Record<string, { readonly bound: Keys; readonly peer: Keys }>> = {
  "an unknown key": {
    bound: { security: { ...server, allow: [client.publicKey] } },
    peer: { security: { ...other, serverKey: server.publicKey } },
  },
  "a wrong serverKey": {
    bound: { security: { ...server, allow: [client.publicKey] } },
    peer: { security: { ...client, serverKey: other.publicKey } },
  },
  "no keys where the server has some": {
    bound: { security: { ...server, allow: [client.publicKey] } },
    peer: {},
  },
  "keys where the server has none": {
    bound: {},
    peer: { security: { ...client, serverKey: server.publicKey } },
  },
};

for (const [name, { bound, peer }] of Object.entries(CASES)) {
  for (const transport of ["tcp", "ipc"] as const) {
    for (const gate of [true, false]) {
      for (const reliable of gate ? [false] : [false, true]) {
        const how = `${transport}, ${gate ? "gate" : "no gate"}, ${reliable ? "reliable" : "plain"}`;
        test(`connectionsRefused: each connection with ${name} counts once (${how})`, async (t) => {
          const pull = open(t, new Pull({ ...bound, gate, reliable }));
          const push = open(t, new Push({ ...peer, reliable }));
          const errors = errorsOf(pull);
          errorsOf(push);
          push.connect(await pull.bind(wireOf(t, transport).address()));
          await eventually(() => assert.ok(pull.stats().connectionsRefused >= 3));
          await push.close();
          // What was refused is reported, one by one where it is as few as here.
          const told = (): number =>
            errors.filter(({ message }) => /^(refused|handshake failed)/.test(message)).length;
          await eventually(() => assert.equal(told(), pull.stats().connectionsRefused));
          assert.equal(push.stats().connectionsRefused, 0);
        });
      }
    }
  }
}

test("connectionsRefused: a peer that only opens a connection and goes is not refused", async (t) => {
  const pull = open(
    t,
    new Pull({ security: { ...server, allow: [client.publicKey] }, gate: false }),
  );
  const push = open(t, new Push({ security: { ...client, serverKey: server.publicKey } }));
  const address = await pull.bind("tcp://127.0.0.1:*");
  const peer = await ZmtpPeer.connect(address);
  await peer.greeted();
  peer.destroy();
  await peer.ended();
  push.connect(address);
  await pull.ready();
  assert.equal(pull.stats().connectionsRefused, 0);
});
