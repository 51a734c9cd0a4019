import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import {
  type Codec,
  Dealer,
  json,
  msgpack,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  Subscriber,
} from "../../lib/index.ts";
import { FileJournal, MemoryJournal } from "../../lib/journal/index.ts";
import { wireOf } from "../support/each-transport.ts";
import { open as closedAfter, range, take } from "../support/fixtures.ts";

/** JSON as an application's own codec: entries of a frame are preceded by their length. */
function ownJson(): Codec<unknown> {
  return {
    name: "own-json",
    delimiter: "length",
    encode: (value, writer) => writer.append(Buffer.from(JSON.stringify(value))),
    decode: (bytes) => JSON.parse(bytes.toString()) as unknown,
  };
}

const CODECS: Readonly<Record<string, () => Codec<unknown>>> = {
  msgpack,
  json,
  "own-json": ownJson,
};

/** Closes the socket after the test; its refusals reach the callers, which is enough here. */
function open<
  S extends { close(): Promise<void>; on(name: "error", listener: () => void): unknown },
>(t: TestContext, socket: S): S {
  socket.on("error", () => {});
  return closedAfter(t, socket);
}

/** A socket that sends, and the values that its peer receives. */
interface Sender {
  readonly send: (value: unknown) => Promise<unknown>;
  /** The same again, as a call from within a value. */
  readonly drain: () => Promise<unknown>;
  readonly close: () => Promise<unknown>;
  readonly received: (count: number) => Promise<unknown[]>;
}

type Make = (t: TestContext, codec: Codec<unknown>) => Promise<Sender>;

async function pushOf(
  t: TestContext,
  push: Push<unknown>,
  codec: Codec<unknown>,
  reliable: boolean,
): Promise<Sender> {
  const pull = open(t, reliable ? new Pull({ codec, reliable }) : new Pull({ codec }));
  await wireOf(t, "inproc").join(push, pull);
  return {
    send: (value) => push.send(value),
    drain: () => push.drain(),
    close: () => push.close(),
    received: (count) => take(pull, count),
  };
}

/** A directory that is removed after the test, behind everything that `closing` closes. */
function directoryOf(t: TestContext, closing: (() => Promise<unknown>)[]): string {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-test-"));
  t.after(async () => {
    for (const close of closing) await close();
    rmSync(directory, { recursive: true, force: true });
  });
  return directory;
}

const SENDERS: Readonly<Record<string, Make>> = {
  Push: (t, codec) => pushOf(t, open(t, new Push({ codec })), codec, false),
  "reliable Push": (t, codec) =>
    pushOf(t, open(t, new Push({ codec, reliable: true })) as Push<unknown>, codec, true),
  "Push with a MemoryJournal": (t, codec) =>
    pushOf(
      t,
      open(t, new Push({ codec, journal: new MemoryJournal() })) as Push<unknown>,
      codec,
      true,
    ),
  "Push with a FileJournal": async (t, codec) => {
    const closing: (() => Promise<unknown>)[] = [];
    const journal = await FileJournal.open(directoryOf(t, closing));
    const push = new Push({ codec, journal }) as Push<unknown>;
    push.on("error", () => {});
    closing.push(
      () => push.close(),
      () => journal.close(),
    );
    return pushOf(t, push, codec, true);
  },
  Publisher: async (t, codec) => {
    const publisher = open(t, new Publisher({ codec }));
    const subscriber = open(t, new Subscriber({ codec }));
    subscriber.subscribe("#");
    await wireOf(t, "inproc").join(publisher, subscriber);
    return {
      send: (value) => publisher.publish("a", value),
      drain: () => publisher.drain(),
      close: () => publisher.close(),
      received: async (count) => (await take(subscriber, count)).map(({ value }) => value),
    };
  },
  Dealer: async (t, codec) => {
    const dealer = open(t, new Dealer({ codec }));
    const router = open(t, new Router({ codec }));
    await wireOf(t, "inproc").join(router, dealer);
    return {
      send: (value) => dealer.send(value),
      drain: () => dealer.drain(),
      close: () => dealer.close(),
      received: async (count) => (await take(router, count)).map(({ value }) => value),
    };
  },
  Router: async (t, codec) => {
    const router = open(t, new Router({ codec }));
    const dealer = open(t, new Dealer({ codec }));
    await wireOf(t, "inproc").join(router, dealer);
    await dealer.send("here I am");
    const { peer } = await router.receive();
    return {
      send: (value) => router.send(peer, value),
      drain: () => router.drain(),
      close: () => router.close(),
      received: (count) => take(dealer, count),
    };
  },
  Requester: async (t, codec) => {
    const requester = open(t, new Requester({ codec }));
    const replier = open(t, new Replier({ codec }));
    const seen: unknown[] = [];
    await wireOf(t, "inproc").join(replier, requester);
    void replier.serve((value) => {
      seen.push(value);
      return value;
    });
    return {
      send: (value) => requester.request(value),
      drain: () => requester.drain(),
      close: () => requester.close(),
      // They were all replied to.
      received: () => Promise.resolve(seen),
    };
  },
};

/** A value that makes a call while it is encoded, each time. */
function valueThatCalls(call: () => void): { readonly x: number } {
  return {
    get x(): number {
      call();
      return 1;
    },
  };
}

for (const [role, make] of Object.entries(SENDERS)) {
  for (const [codecName, codec] of Object.entries(CODECS)) {
    test(`reentrant: ${role}, ${codecName}: a value that sends another has that one refused, and harms no other`, async (t) => {
      const { send, drain, received } = await make(t, codec());
      const nested: Promise<unknown>[] = [];
      const calling = valueThatCalls(() => {
        nested.push(drain().catch(() => {}));
        nested.push(assert.rejects(send("nested"), { code: "BROKERLESS_CODEC" }));
      });
      const values = ["a", "b", calling, "c", "d"];
      await Promise.all(values.map((value) => send(value)));
      await send("e");
      const expected = ["a", "b", { x: 1 }, "c", "d", "e"];
      const order = (all: unknown[]): unknown[] => all.map((value) => JSON.stringify(value)).sort();
      assert.deepEqual(order(await received(expected.length)), order(expected));
      assert.ok(nested.length > 0);
      await Promise.all(nested);
    });
  }

  test(`reentrant: ${role}: a value that closes its socket leaves no call without an end`, async (t) => {
    const { send, close } = await make(t, msgpack());
    let closing: Promise<unknown> = Promise.resolve();
    const before = range(3).map((n) => send(n));
    const calls = [...before, send(valueThatCalls(() => (closing = close()))), send("after")];
    for (const call of await Promise.allSettled(calls)) {
      if (call.status === "fulfilled") continue;
      assert.equal((call.reason as { readonly code?: string }).code, "BROKERLESS_CLOSED");
    }
    await closing;
  });
}

test("reentrant: what a journal has stored around such a value comes back after a restart", async (t) => {
  const closing: (() => Promise<unknown>)[] = [];
  const directory = directoryOf(t, closing);
  for (const closes of [true, false]) {
    const journal = await FileJournal.open(directory);
    const push = new Push<unknown>({ journal });
    push.on("error", () => {});
    const calling = valueThatCalls(() => {
      if (closes) void push.close();
      else push.send("nested").catch(() => {});
    });
    await Promise.all(["a", "b", calling].map((value) => push.send(value)));
    await push.close();
    await journal.close();
  }
  const journal = await FileJournal.open(directory);
  const push = new Push<unknown>({ journal });
  closing.push(
    () => push.close(),
    () => journal.close(),
  );
  const pull = open(t, new Pull<unknown>({ reliable: true }));
  await wireOf(t, "tcp").join(push, pull);
  assert.deepEqual(await take(pull, 6), ["a", "b", { x: 1 }, "a", "b", { x: 1 }]);
});
