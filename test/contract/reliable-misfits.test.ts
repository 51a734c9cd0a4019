import assert from "node:assert/strict";
import { test } from "node:test";
import {
  decodeLinkMessage,
  encodeLinkMessage,
  LINK_VERSION,
  type LinkMessageInput,
} from "../../lib/delivery/protocol/link-message.ts";
import {
  type BrokerlessError,
  Dealer,
  json,
  Publisher,
  Pull,
  type PullOptions,
  Push,
  type PushOptions,
  Router,
  raw,
  Subscriber,
} from "../../lib/index.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { errorsOf, open } from "../support/fixtures.ts";

function push(options: PushOptions<number> = {}): Push<number> {
  return new Push<number>({ reliable: true, ...options });
}

function pull(options: PullOptions<number> = {}): Pull<number> {
  return new Pull<number>({ reliable: true, ...options });
}

const MISFITS: Readonly<Record<string, () => readonly [Push<number>, Pull<number>]>> = {
  "another codec": () => [push(), pull({ codec: json<number>() })],
  "shorter messages": () => [push(), pull({ messageBytesMax: 1_000 })],
  "a plain receiver": () => [push(), new Pull<number>()],
  "a plain sender": () => [new Push<number>(), pull()],
};

for (const [misfit, make] of Object.entries(MISFITS)) {
  eachTransport(`reliable: ${misfit} does not fit, and both sides say so`, async (t, wire) => {
    // inproc has no handshake, in which a plain socket or its peer could notice anything.
    if (wire.transport === "inproc" && misfit.startsWith("a plain")) return;
    for (const binds of [true, false]) {
      const [sender, receiver] = make();
      const sides = [open(t, sender), open(t, receiver)] as const;
      const errors = sides.map((side) => errorsOf(side));
      const [bound, connected] = binds ? [sender, receiver] : [receiver, sender];
      connected.connect(await bound.bind(wire.address()));
      await eventually(() => {
        const told = errors.map((list) => list.some(({ code }) => code === "BROKERLESS_PROTOCOL"));
        assert.ok(told.every(Boolean), `${binds}: ${JSON.stringify(errors)}`);
      });
    }
  });
}

/** Plain sockets of other kinds: those that ZeroMQ keeps apart from reliable ones tell both sides. */
const OTHERS = {
  Publisher: () => new Publisher<{ topic: number }>(),
  Subscriber: () => new Subscriber<{ topic: number }>(),
} as const;

for (const [name, other] of Object.entries(OTHERS)) {
  for (const ours of [push, pull]) {
    test(`reliable: a ${name} and a reliable ${ours.name} refuse each other on both sides`, async (t) => {
      const sides = [open(t, ours()), open(t, other())] as const;
      const errors: BrokerlessError[][] = [[], []];
      sides[0].on("error", (error) => errors[0]!.push(error));
      (sides[1] as Subscriber<{ topic: number }>).on("error", (error) => errors[1]!.push(error));
      sides[1].connect(await sides[0].bind("tcp://127.0.0.1:*"));
      await eventually(() => {
        for (const list of errors) assert.equal(list[0]?.code, "BROKERLESS_PROTOCOL");
      });
    });
  }
}

test("reliable: what a dealer sends is refused, by the side that gets it", async (t) => {
  const reliable = open(t, pull());
  const dealer = open(t, new Dealer<number>());
  const errors = errorsOf(reliable);
  await dealer.bind("tcp://127.0.0.1:*").then((address) => reliable.connect(address));
  await dealer.ready();
  await dealer.send(1);
  await eventually(() => assert.match(errors[0]?.message ?? "", /not a message of the/));
});

for (const [role, make] of Object.entries({ sender: push, receiver: pull })) {
  const isSaid = (told: readonly BrokerlessError[], by: string): boolean =>
    told.some(({ code, message }) => {
      const text = `both sides are ${role}s, of the same role`;
      return code === "BROKERLESS_PROTOCOL" && message.startsWith(by) && message.includes(text);
    });

  eachTransport(
    `reliable: a ${role} and a ${role} say on both sides that they are`,
    async (t, wire) => {
      const [bound, connected] = [open(t, make()), open(t, make())] as const;
      const [errors, others] = [errorsOf(bound), errorsOf(connected)];
      connected.connect(await bound.bind(wire.address()));
      await eventually(() => {
        assert.ok(isSaid(errors, "refused a peer"), JSON.stringify(errors));
        assert.ok(isSaid(others, "refused by a peer"), JSON.stringify(others));
      });
    },
  );

  eachTransport(`reliable: a ${role} that is connected to itself says so`, async (t, wire) => {
    const alone = open(t, make());
    const errors = errorsOf(alone);
    alone.connect(await alone.bind(wire.address()));
    await eventually(() => {
      assert.ok(isSaid(errors, "refused a peer"), JSON.stringify(errors));
      assert.ok(isSaid(errors, "refused by a peer"), JSON.stringify(errors));
    });
  });
}

const RAW = { codec: raw(), batch: false } as const;
/** What each side is told first by the other, in words of another version. */
const STRANGERS: Readonly<
  Record<
    string,
    { readonly ours: () => Push<number> | Pull<number>; readonly word: LinkMessageInput }
  >
> = {
  receiver: { ours: push, word: { type: "hello", session: 7, text: "{}" } },
  sender: { ours: pull, word: { type: "offer", session: 0, text: "{}" } },
};

for (const [kind, { ours, word }] of Object.entries(STRANGERS)) {
  const bytes = encodeLinkMessage(word);
  bytes[2] = LINK_VERSION + 1;
  const isRefusal = (answer: Uint8Array): boolean => {
    const message = decodeLinkMessage(answer);
    if (!("type" in message) || message.type !== "refuse") return false;
    assert.match(message.text, /version 2, and this program speaks version 1/);
    return true;
  };
  const isTold = (errors: ReturnType<typeof errorsOf>): void => {
    const { code, message } = errors[0]!;
    assert.equal(code, "BROKERLESS_PROTOCOL");
    assert.match(message, /version 2/);
  };

  eachTransport(
    `reliable: a ${kind} of another version that connects is refused, and told why`,
    async (t, wire) => {
      const socket = open(t, ours());
      const errors = errorsOf(socket);
      const peer = open(t, new Dealer<Uint8Array, Uint8Array>(RAW));
      peer.connect(await socket.bind(wire.address()));
      await peer.send(bytes);
      for await (const answer of peer) if (isRefusal(answer)) break;
      isTold(errors);
    },
  );

  eachTransport(
    `reliable: a ${kind} of another version that binds is refused, and told why`,
    async (t, wire) => {
      const socket = open(t, ours());
      const errors = errorsOf(socket);
      const peer = open(t, new Router<Uint8Array, Uint8Array>(RAW));
      socket.connect(await peer.bind(wire.address()));
      for await (const { peer: id, value } of peer) {
        if (isRefusal(value)) break;
        await peer.send(id, bytes);
      }
      isTold(errors);
    },
  );
}
