import assert from "node:assert/strict";
import { test } from "node:test";
import {
  type BrokerlessError,
  Dealer,
  Publisher,
  Pull,
  Push,
  type ReliablePull,
  Replier,
  Requester,
  Router,
  Subscriber,
  type TypedSocket,
} from "../../lib/index.ts";
import { quiet } from "../../lib/wait.ts";
import { errorsOf, gate, open } from "../support/fixtures.ts";

/** What a schema does that breaks the contract of Standard Schema, by the value that it is asked about. */
const FAULTS: Readonly<Record<string, { readonly act: () => unknown; readonly text: RegExp }>> = {
  throws: {
    act: () => {
      throw new RangeError("thrown");
    },
    text: /: thrown$/,
  },
  "throws null": {
    act: () => {
      throw null;
    },
    text: /: null$/,
  },
  rejects: { act: () => Promise.reject(new Error("rejected")), text: /: rejected$/ },
  "returns undefined": { act: () => undefined, text: /validate returns must be an object .*undef/ },
  "returns null": { act: () => null, text: /validate returns must be an object .*null$/ },
  "resolves undefined": { act: async () => undefined, text: /must be an object .*undefined$/ },
  "returns odd issues": { act: () => ({ issues: 5 }), text: /issues must be an array, got 5$/ },
  "returns issues that throw": {
    act: () => ({
      get issues() {
        throw new Error("trap");
      },
    }),
    text: /: trap$/,
  },
  "returns a path that is none": {
    act: () => ({ issues: [{ message: "no", path: 5 }] }),
    text: /^the schema failed for /,
  },
};
const NAMES = Object.keys(FAULTS);

const BROKEN = {
  "~standard": {
    version: 1,
    vendor: "test",
    validate: (value: unknown) => {
      const fault = FAULTS[String(value)];
      return fault === undefined ? { value } : fault.act();
    },
  },
} as never;

type Take = (pull: ReliablePull<string>, got: (value: string) => void) => Promise<void>;

/** All ways to take messages; each ends with the socket. */
const WAYS: Readonly<Record<string, Take>> = {
  run: (pull, got) => pull.run(got),
  loop: async (pull, got) => {
    for await (const value of pull) got(value);
  },
  messages: async (pull, got) => {
    for await (const { value } of pull.messages()) got(value);
  },
  batches: async (pull, got) => {
    for await (const values of pull.batches()) values.forEach(got);
  },
  receive: async (pull, got) => {
    for (;;) got(await pull.receive());
  },
  deliveries: async (pull, got) => {
    for await (const delivery of pull.deliveries()) {
      got(delivery.value);
      delivery.ack();
    }
  },
};

/** Each fault was told of once, and with its cause. */
function assertTold(errors: readonly BrokerlessError[]): void {
  assert.deepEqual(
    errors.map(({ code }) => code),
    NAMES.map(() => "BROKERLESS_SCHEMA"),
  );
  for (const [index, { message, cause }] of errors.entries()) {
    const name = NAMES[index]!;
    assert.match(message, FAULTS[name]!.text, name);
    if (name === "throws null") assert.equal(cause, null);
    else assert.ok(cause instanceof Error, name);
  }
}

/** Sends all faults between two values that fit. @returns what was taken when all are with the receiver, or dead */
async function play(
  send: (value: string) => Promise<void>,
  take: (got: (value: string) => void) => Promise<void>,
): Promise<string[]> {
  const got: string[] = [];
  const last = gate();
  const taking = quiet(
    take((value) => {
      got.push(value);
      if (value === "last") last.open();
    }),
  );
  const sent = ["first", ...NAMES, "last"].map(send);
  await Promise.race([last.promise, taking]);
  await Promise.allSettled(sent);
  return got;
}

for (const [way, take] of Object.entries(WAYS)) {
  test(`failing schemas: what one breaks at is a dead letter, and ${way} of a reliable Pull goes on`, async (t) => {
    const push = open(t, new Push<string>({ reliable: true, confirm: "processed" }));
    const pull = open(t, new Pull<string>({ reliable: true, schema: BROKEN }));
    const errors = errorsOf(pull);
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    const got = await play(
      (value) => push.send(value),
      (each) => take(pull, each),
    );
    assert.deepEqual(got, ["first", "last"]);
    assertTold(errors);
    const dead: string[] = [];
    for await (const { value, reason, error } of push.deadLetters) {
      assert.match(reason, FAULTS[value!]!.text);
      const said = { name: "BrokerlessError", message: reason, code: "BROKERLESS_SCHEMA" };
      assert.deepEqual(error, said);
      dead.push(value!);
    }
    assert.deepEqual(dead, NAMES);
  });

  if (way === "deliveries") continue;
  test(`failing schemas: what one breaks at is skipped, and ${way} of a plain Pull goes on`, async (t) => {
    const push = open(t, new Push<string>());
    const pull = open(t, new Pull<string>({ schema: BROKEN }));
    const errors = errorsOf(pull);
    pull.connect(await push.bind("tcp://127.0.0.1:*"));
    const got = await play(
      (value) => push.send(value),
      (each) => take(pull as ReliablePull<string>, each),
    );
    assert.deepEqual(got, ["first", "last"]);
    assertTold(errors);
    assert.equal(pull.stats().messagesRefused, NAMES.length);
  });
}

test("failing schemas: beside headers what one breaks at is skipped too", async (t) => {
  const push = open(t, new Push<string>());
  const pull = open(t, new Pull<string>({ schema: BROKEN }));
  const errors = errorsOf(pull);
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  for (const value of [...NAMES, "last"]) await push.send(value, { headers: { value } });
  const { value } = await pull.messages().next();
  assert.deepEqual(value, { value: "last", headers: { value: "last" } });
  assertTold(errors);
});

test("failing schemas: loops of Subscriber, Dealer and Router go on", async (t) => {
  const publisher = open(t, new Publisher());
  const subscriber = open(t, new Subscriber({ schema: BROKEN }));
  subscriber.subscribe("#");
  subscriber.connect(await publisher.bind("tcp://127.0.0.1:*"));
  await publisher.ready();
  const router = open(t, new Router<string, string>({ receiveSchema: BROKEN }));
  const dealer = open(t, new Dealer<string, string>({ receiveSchema: BROKEN }));
  dealer.connect(await router.bind("tcp://127.0.0.1:*"));
  const ends = [subscriber, router, dealer];
  const errors = ends.map((socket) => errorsOf(socket as TypedSocket));
  const published = subscriber.receive();
  for (const value of [...NAMES, "last"]) await publisher.publish("topic", value);
  assert.equal((await published).value, "last");
  const routed = router.receive();
  for (const value of [...NAMES, "last"]) await dealer.send(value);
  const { peer, value } = await routed;
  assert.equal(value, "last");
  const dealt = dealer.receive();
  for (const each of [...NAMES, "last"]) await router.send(peer, each);
  assert.equal(await dealt, "last");
  for (const told of errors) assertTold(told);
});

test("failing schemas: a request or a reply that one breaks at is refused, and the next has its reply", async (t) => {
  for (const at of ["replier", "requester"]) {
    const replier = open(
      t,
      new Replier<string, string>(at === "replier" ? { schema: BROKEN } : {}),
    );
    const requester = open(
      t,
      new Requester<string, string>(at === "requester" ? { replySchema: BROKEN } : {}),
    );
    const errors = errorsOf(replier);
    void replier.serve((request) => request);
    requester.connect(await replier.bind("tcp://127.0.0.1:*"));
    for (const name of NAMES) {
      const code = at === "replier" ? "remoteCode" : "code";
      await assert.rejects(requester.request(name), {
        [code]: "BROKERLESS_SCHEMA",
        message: FAULTS[name]!.text,
      });
    }
    assert.equal(await requester.request("last"), "last");
    if (at === "replier") assertTold(errors);
  }
});

test("failing schemas: what one breaks at is not sent: counted, reported, and the cause in the rejection", async (t) => {
  const senders = {
    plain: open(t, new Push<unknown>({ schema: BROKEN })),
    reliable: open(t, new Push<unknown>({ reliable: true, schema: BROKEN })),
    dealer: open(t, new Dealer<unknown, unknown>({ schema: BROKEN })),
    publisher: open(t, new Publisher({ schema: BROKEN })),
    requester: open(t, new Requester<unknown, unknown>({ schema: BROKEN })),
  };
  const { plain, reliable, dealer, publisher, requester } = senders;
  const sends: Readonly<Record<keyof typeof senders, (value: unknown) => Promise<unknown>>> = {
    plain: (value) => plain.send(value),
    reliable: (value) => reliable.send(value),
    dealer: (value) => dealer.send(value),
    publisher: (value) => publisher.publish("topic", value),
    requester: (value) => requester.request(value),
  };
  for (const [role, send] of Object.entries(sends)) {
    const socket = senders[role as keyof typeof senders] as TypedSocket;
    const errors = errorsOf(socket);
    const rejections: BrokerlessError[] = [];
    for (const name of NAMES) {
      await assert.rejects(send(name), (error: BrokerlessError) => rejections.push(error) > 0);
    }
    assertTold(rejections);
    assert.deepEqual(errors, rejections, role);
    assert.equal(socket.stats().sendsRefused, NAMES.length, role);
  }
});
