import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import {
  type BrokerlessError,
  type CommonOptions,
  Dealer,
  json,
  msgpack,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  raw,
  type TypedSocket,
} from "../../lib/index.ts";
import { eachTransport, wireOf } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";

type Options = CommonOptions & { readonly codec: never };

/** Makes a plain socket that gives what it receives to `got`. */
type Plain = (options: Options, got: (value: unknown) => void) => TypedSocket;

function reading<S extends TypedSocket & AsyncIterable<unknown>>(
  socket: S,
  got: (value: unknown) => void,
): S {
  void (async () => {
    for await (const value of socket) got(value);
  })();
  return socket;
}

const PLAIN: Readonly<Record<string, Plain>> = {
  Router: (options, got) => reading(new Router<unknown>(options), got),
  Dealer: (options, got) => reading(new Dealer<unknown>(options), got),
  Replier: (options, got) => {
    const replier = new Replier<unknown, unknown>({ codec: options.codec });
    void replier.serve((value) => got(value));
    return replier;
  },
};
const RELIABLE = {
  Push: () => new Push<number>({ reliable: true, name: "orders" }),
  Pull: () => new Pull<number>({ reliable: true, name: "orders" }),
} as const;
const FORMS: Readonly<Record<string, Options>> = {
  "msgpack()": { codec: msgpack() as never },
  "msgpack(), unbatched": { codec: msgpack() as never, batch: false },
  "json()": { codec: json() as never },
  "raw()": { codec: raw() as never },
};

/** The first thing that a socket is told, or takes for a message, is the error that says this. */
async function assertSays(
  errors: readonly BrokerlessError[],
  text: RegExp,
  values: readonly unknown[] = [],
): Promise<void> {
  await eventually(() => assert.ok(errors.length + values.length > 0));
  assert.deepEqual(values, []);
  assert.equal(errors[0]!.code, "BROKERLESS_PROTOCOL");
  assert.match(errors[0]!.message, text);
}

for (const [role, make] of Object.entries(PLAIN)) {
  for (const [reliable, makeReliable] of Object.entries(RELIABLE)) {
    for (const [form, options] of Object.entries(FORMS)) {
      const claim = `strays: a plain ${role} of ${form} takes nothing of a reliable ${reliable} for a message`;
      eachTransport(`${claim}, and says what it is`, async (t, wire) => {
        const values: unknown[] = [];
        const plain = open(
          t,
          make(options, (value) => values.push(value)),
        );
        const other = open(t, makeReliable());
        const [errors, others] = [errorsOf(plain), errorsOf(other)];
        other.connect(await plain.bind(wire.address()));
        const who = new RegExp(`a reliable ${reliable} \\('orders'\\) speaks to this plain socket`);
        await assertSays(errors, who, values);
        // A DEALER cannot say to whom it speaks, and so says nothing.
        if (role !== "Dealer") await assertSays(others, /is a plain socket/);
      });
    }
  }
}

for (const [reliable, makeReliable] of Object.entries(RELIABLE)) {
  eachTransport(
    `strays: a Dealer that connects to a reliable ${reliable} takes its refusal for none of its messages`,
    async (t, wire) => {
      const dealer = new Dealer<unknown>();
      const { values, errors } = watched(t, dealer);
      const other = open(t, makeReliable());
      dealer.connect(await other.bind(wire.address()));
      await dealer.ready();
      await dealer.send(1);
      await assertSays(errors, /refuses what this plain socket has sent/, values);
    },
  );

  eachTransport(
    `strays: a Requester that connects to a reliable ${reliable} is told what it is`,
    async (t, wire) => {
      const requester = open(t, new Requester<unknown>());
      const other = open(t, makeReliable());
      const errors = errorsOf(requester);
      requester.connect(await other.bind(wire.address()));
      void requester.request(1).catch(() => {});
      await assertSays(errors, /refuses what this plain socket has sent/);
    },
  );
}

/** A socket with what it has read and what it was told. */
function watched(t: TestContext, socket: TypedSocket & AsyncIterable<unknown>) {
  const values: unknown[] = [];
  reading(socket, (value) => values.push(value));
  return { socket: open(t, socket), values, errors: errorsOf(socket) };
}

test("strays: over inproc a plain Pull says what a reliable Push is", async (t) => {
  // Elsewhere ZeroMQ keeps the two apart.
  const wire = wireOf(t, "inproc");
  const { socket, values, errors } = watched(t, new Pull<unknown>());
  open(t, RELIABLE.Push()).connect(await socket.bind(wire.address()));
  await assertSays(errors, /a reliable Push \('orders'\) speaks to this plain/, values);
});

const NUMBERS = [66, 76, 1, 1, ...Array<number>(60).fill(0)];

eachTransport(
  "strays: numbers that only begin as a reliable peer does are read",
  async (t, wire) => {
    const push = open(t, new Push<Uint8Array>({ codec: raw(), batch: false }));
    const { socket, values, errors } = watched(t, new Pull<unknown>());
    await wire.join(push, socket);
    await push.send(Uint8Array.from(NUMBERS));
    await eventually(() => assert.ok(errors.length > 0 || values.length === NUMBERS.length));
    assert.deepEqual(values, NUMBERS);
  },
);

eachTransport(
  "strays: a socket of raw(), unbatched, reads all bytes there are",
  async (t, wire) => {
    const router = new Router<Uint8Array>({ codec: raw(), batch: false });
    const { socket, values, errors } = watched(t, router);
    open(t, RELIABLE.Push()).connect(await socket.bind(wire.address()));
    await eventually(() => assert.ok(errors.length + values.length > 0));
    const [{ value }] = values as [{ value: Buffer }];
    assert.equal(value.toString("latin1", 0, 2), "BL");
  },
);
