/** A connector that has sent and closed before anybody binds: what it sent is for who comes within its linger. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { Pull, Push, raw } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/fixtures.ts";

const CODEC = { codec: raw() } as const;
let names = 0;

/** Sends and closes, with nobody there. @returns the address */
async function leave(lingerMs: number): Promise<string> {
  const address = `inproc://late-binder-${names++}`;
  const push = new Push<Uint8Array>({ ...CODEC, lingerMs });
  push.connect(address);
  for (const text of ["a", "b", "c"]) await push.send(Buffer.from(text));
  await push.drain();
  await push.close();
  return address;
}

test("inproc: what was sent by one who has closed is for who binds the address in time", async (t) => {
  const address = await leave(60_000);
  // More than one turn later.
  for (let turns = 0; turns < 10; turns++) await new Promise(setImmediate);
  const pull = open(t, new Pull<Uint8Array>(CODEC));
  await pull.bind(address);
  const received: string[] = [];
  // They are there, or never come.
  for (let i = 0; i < 3; i++) received.push(String(await pull.receive({ timeoutMs: 20_000 })));
  assert.deepEqual(received, ["a", "b", "c"]);
});

test("inproc: where nobody binds it in time, it is dropped, and the process ends", async (t) => {
  const address = await leave(1);
  // The address is bound for an instant, and free again; whoever binds it then finds nothing.
  const probe = new Pull<Uint8Array>(CODEC);
  t.after(() => probe.close());
  await eventually(async () => {
    const late = open(t, new Push<Uint8Array>({ ...CODEC, lingerMs: 0 }));
    late.connect(address);
    await late.close();
  });
  await probe.bind(address);
  await assert.rejects(probe.receive({ timeoutMs: 0 }), { code: "BROKERLESS_TIMEOUT" });
});
