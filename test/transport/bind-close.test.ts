import assert from "node:assert/strict";
import { test } from "node:test";
import * as zmq from "zeromq";
import { type BrokerlessError, Pull, Push, type TypedSocket } from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { open } from "../support/fixtures.ts";
import { ROLES } from "../support/roles.ts";

/** Steps of an asynchronous call after which the socket is closed (count). */
const STEPS = 8;

/** Begins to bind, and closes after some steps. @returns the code of the error, or "bound" */
async function bindAndClose(
  socket: Pick<TypedSocket, "bind" | "close">,
  address: string,
  steps: number,
): Promise<string> {
  const bound = socket.bind(address).then(
    () => "bound",
    (error: BrokerlessError) => error.code ?? String(error),
  );
  for (let step = 0; step < steps; step++) await null;
  await socket.close();
  return await bound;
}

eachTransport(
  "bind: a socket closed during the bind is BROKERLESS_CLOSED, and the address is free",
  async (t, wire) => {
    const taken = open(t, new Pull());
    const address = await taken.bind(wire.address());
    await taken.close();
    for (const { make } of ROLES) {
      for (let steps = 0; steps < STEPS; steps++) {
        const ending = await bindAndClose(make(), address, steps);
        assert.ok(["bound", "BROKERLESS_CLOSED"].includes(ending), `${steps} steps: ${ending}`);
      }
    }
    for (let steps = 0; steps < STEPS; steps++) {
      for (const socket of [new Push({ reliable: true }), new Pull({ reliable: true })]) {
        const ending = await bindAndClose(socket, address, steps);
        assert.ok(["bound", "BROKERLESS_CLOSED"].includes(ending), `${steps} steps: ${ending}`);
      }
    }
    await open(t, new Pull()).bind(address);
  },
);

for (const transport of ["tcp", "ipc"] as const) {
  test(`bind: a socket closed before its gate is open is BROKERLESS_CLOSED (${transport})`, async (t) => {
    const address = wireOf(t, transport).address();
    for (let steps = 0; steps < STEPS; steps++) {
      const ending = await bindAndClose(new Pull({ gate: true }), address, steps);
      assert.equal(ending, "BROKERLESS_CLOSED", `${steps} steps`);
    }
    await open(t, new Pull({ gate: true })).bind(address);
  });
}

test("bind: an inproc name in use is BROKERLESS_ADDRESS, even if only its presence endpoint is taken", async (t) => {
  const other = new zmq.Router();
  t.after(() => other.close());
  await other.bind("inproc://half#presence");
  const pull = open(t, new Pull());
  await assert.rejects(pull.bind("inproc://half"), { code: "BROKERLESS_ADDRESS" });
  await other.unbind("inproc://half#presence");
  await pull.bind("inproc://half");
});

test("bind: an inproc name that is being released is awaited", async (t) => {
  const other = open(t, new Pull());
  await other.bind("inproc://late");
  const bound = open(t, new Pull()).bind("inproc://late");
  await null;
  await other.close();
  assert.equal(await bound, "inproc://late");
});
