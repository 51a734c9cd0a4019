import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import { XPublisher } from "zeromq";
import { InprocEndpoints } from "../../../lib/transport/inproc/inproc-endpoints.ts";
import { bindPresence } from "../../../lib/transport/inproc/presence.ts";
import type { NativeKind, NativeSocket } from "../../../lib/transport/native/native.ts";
import { eventually } from "../../support/eventually.ts";

let names = 0;
const ignored = { joined: () => {}, ended: () => {} };

/** Endpoints of a fake native socket. */
function endpointsOf(t: TestContext, kind: NativeKind, fake: Partial<NativeSocket>) {
  const seen = { joined: 0, ended: 0, onJoined: () => {} };
  const endpoints = new InprocEndpoints({
    native: {
      connect: () => {},
      disconnect: () => {},
      bindSync: () => {},
      setStringOption: () => {},
      ...fake,
    } as unknown as NativeSocket,
    kind,
    onJoined: () => {
      seen.joined++;
      seen.onJoined();
    },
    onEnded: () => seen.ended++,
    onTouched: () => {},
  });
  t.after(() => endpoints.close(0));
  return { endpoints, seen };
}

/** The calls of a connector's native socket, while its binder goes and the next one comes. */
async function callsOfNextBinder(t: TestContext, kind: NativeKind): Promise<string[]> {
  const address = `inproc://next-binder-${++names}`;
  const calls: string[] = [];
  const { endpoints, seen } = endpointsOf(t, kind, {
    connect: () => calls.push("connect"),
    disconnect: () => calls.push("disconnect"),
  });
  const first = bindPresence(address, ignored);
  endpoints.connect(address);
  assert.deepEqual(calls.splice(0), ["connect"]);
  await eventually(() => assert.equal(seen.joined, 1));
  first.close("gone");
  await eventually(() => assert.equal(seen.ended, 1));
  assert.deepEqual(calls, []);
  const next = bindPresence(address, ignored);
  t.after(() => next.close("gone"));
  await eventually(() => assert.equal(seen.joined, 2));
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

for (const kind of ["push", "sub"] as const) {
  test(`next binder: a connection that is made while its binder leaves is made again (${kind})`, async (t) => {
    const address = `inproc://next-binder-${++names}`;
    const calls: string[] = [];
    const first = bindPresence(address, ignored);
    const { endpoints, seen } = endpointsOf(t, kind, {
      connect: () => {
        calls.push("connect");
        first.close("gone");
      },
      disconnect: () => calls.push("disconnect"),
    });
    endpoints.connect(address);
    await eventually(() => assert.equal(seen.ended, 1));
    const next = bindPresence(address, ignored);
    t.after(() => next.close("gone"));
    await eventually(() => assert.equal(seen.joined, 1));
    const again = kind === "push" ? ["disconnect", "connect"] : ["connect"];
    assert.deepEqual(calls, ["connect", ...again]);
  });

  test(`next binder: a connection that may lead to the next binder already is not kept (${kind})`, async (t) => {
    const address = `inproc://next-binder-${++names}`;
    const calls: string[] = [];
    let onConnect = (): void => {};
    const { endpoints, seen } = endpointsOf(t, kind, {
      connect: () => {
        calls.push("connect");
        onConnect();
      },
      disconnect: () => calls.push("disconnect"),
    });
    const first = bindPresence(address, ignored);
    endpoints.connect(address);
    await eventually(() => assert.equal(seen.joined, 1));
    first.close("gone");
    await eventually(() => assert.equal(seen.ended, 1));
    calls.length = 0;
    const next = bindPresence(address, ignored);
    onConnect = () => next.close("gone");
    await eventually(() => assert.equal(seen.ended, 2));
    assert.deepEqual(calls.slice(-2), ["connect", "disconnect"]);
  });
}

for (const kind of ["pull", "sub"] as const) {
  test(`next binder: the first connection is kept, with what it brought, if its binder leaves once it is known (${kind})`, async (t) => {
    const address = `inproc://next-binder-${++names}`;
    const calls: string[] = [];
    const { endpoints, seen } = endpointsOf(t, kind, {
      disconnect: () => calls.push("disconnect"),
    });
    const first = bindPresence(address, ignored);
    seen.onJoined = () => first.close("gone");
    endpoints.connect(address);
    await eventually(() => assert.equal(seen.ended, 1));
    assert.deepEqual(calls, []);
  });
}

for (const leave of ["close", "release"] as const) {
  test(`next binder: a binder says that it leaves before it frees the address (${leave})`, async (t) => {
    const address = `inproc://next-binder-${++names}`;
    const connector = new XPublisher({ linger: 0 });
    t.after(() => connector.close());
    const told: boolean[] = [];
    const { endpoints } = endpointsOf(t, "pull", {
      disconnect: () => told.push(connector.readable),
    });
    endpoints.bind(address);
    connector.connect(`${address}#presence`);
    await connector.receive();
    assert.equal(connector.readable, false);
    if (leave === "close") endpoints.close(0);
    else endpoints.release(address);
    assert.deepEqual(told, [true]);
  });
}
