import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { InprocEndpoints } from "../../../lib/transport/inproc/inproc-endpoints.ts";
import { bindPresence } from "../../../lib/transport/inproc/presence.ts";
import type { NativeKind, NativeSocket } from "../../../lib/transport/native/native.ts";
import { eventually } from "../../support/eventually.ts";

let names = 0;
const ignored = { joined: () => {}, ended: () => {} };

/** The calls of a connector's native socket, while its binder goes and the next one comes. */
async function callsOfNextBinder(t: TestContext, kind: NativeKind): Promise<string[]> {
  const address = `inproc://next-binder-${++names}`;
  const calls: string[] = [];
  const native = {
    connect: () => calls.push("connect"),
    disconnect: () => calls.push("disconnect"),
  } as unknown as NativeSocket;
  let [joined, ended] = [0, 0];
  const endpoints = new InprocEndpoints({
    native,
    kind,
    onJoined: () => joined++,
    onEnded: () => ended++,
    onTouched: () => {},
  });
  t.after(() => endpoints.close(0));
  const first = bindPresence(address, ignored);
  endpoints.connect(address);
  assert.deepEqual(calls.splice(0), ["connect"]);
  await eventually(() => assert.equal(joined, 1));
  first.close("gone");
  await eventually(() => assert.equal(ended, 1));
  assert.deepEqual(calls, []);
  const next = bindPresence(address, ignored);
  t.after(() => next.close("gone"));
  await eventually(() => assert.equal(joined, 2));
  return calls;
}

for (const kind of ["push", "xpub", "dealer", "router"] as const) {
  test(`next binder: a socket that sends gives up the former binder first (${kind})`, async (t) => {
    assert.deepEqual(await callsOfNextBinder(t, kind), ["disconnect", "connect"]);
  });
}

for (const kind of ["pull", "sub"] as const) {
  test(`next binder: a socket that only receives keeps what it has not read (${kind})`, async (t) => {
    assert.deepEqual(await callsOfNextBinder(t, kind), ["connect"]);
  });
}
