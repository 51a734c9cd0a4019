/** What marks the frames of threads can be sent by anybody, to sockets that also have an inproc address. */
import assert from "node:assert/strict";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import {
  Dealer,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  raw,
  Subscriber,
} from "../../lib/index.ts";
import { open } from "../support/fixtures.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const RAW = { codec: raw(), batch: false, gate: false } as const;
const MARK = "\x02brokerless base64\x03";
const BYTES = Buffer.alloc(300, 0xfe);
/** Nothing that a thread of ours would send. */
const MALFORMED = [
  MARK,
  `${MARK}====`,
  `${MARK}${BYTES.toString("base64")}!`,
  `${MARK}${BYTES.toString("base64").slice(2)}`,
  `${MARK}${Buffer.alloc(300, "a").toString("base64")}`,
].map((text) => Buffer.from(text));
const FORMER = [[9, 0], [0], [255, 255], []].map((places) =>
  Buffer.concat([Buffer.from("\xffbrokerless base64", "latin1"), Buffer.from(places)]),
);
const HOSTILE = [...MALFORMED, ...FORMER];
const HONEST = Buffer.from("honest");

let names = 0;

/** Where the outer world finds a socket that is also found by inproc. */
async function bindBoth(socket: Pick<Pull, "bind">): Promise<string> {
  names += 1;
  await socket.bind(`inproc://marks-${names}`);
  return await socket.bind("tcp://127.0.0.1:*");
}

function hostile<S extends zmq.Socket>(t: TestContext, socket: S, address: string): S {
  t.after(() => socket.close());
  socket.connect(address);
  return socket;
}

for (const gate of [false, true]) {
  const where = gate ? "behind a gate" : "without a gate";
  const options = { ...RAW, gate };

  test(`marks: a Pull ${where} reads what looks like a frame of a thread as it came`, {
    timeout: WATCHDOG_MS,
  }, async (t) => {
    const pull = open(t, new Pull<Uint8Array>(options));
    const push = hostile(t, new zmq.Push({ linger: 0 }), await bindBoth(pull));
    for (const frame of HOSTILE) {
      await push.send(frame);
      assert.deepEqual(Buffer.from(await pull.receive()), frame);
      await push.send(["x", frame]);
    }
    await push.send(HONEST);
    assert.deepEqual(Buffer.from(await pull.receive()), HONEST);
  });

  test(`marks: a Router and a Dealer ${where} read them as they came`, {
    timeout: WATCHDOG_MS,
  }, async (t) => {
    const router = open(t, new Router<Uint8Array, Uint8Array>(options));
    const dealer = open(t, new Dealer<Uint8Array, Uint8Array>(options));
    const toRouter = hostile(t, new zmq.Dealer({ linger: 0 }), await bindBoth(router));
    const toDealer = hostile(t, new zmq.Dealer({ linger: 0 }), await bindBoth(dealer));
    for (const frame of HOSTILE) {
      await toRouter.send(frame);
      assert.deepEqual(Buffer.from((await router.receive()).value), frame);
      await toDealer.send(frame);
      assert.deepEqual(Buffer.from(await dealer.receive()), frame);
      await toRouter.send(["x", frame]);
      await toDealer.send(["x", frame]);
    }
    await toRouter.send(HONEST);
    assert.deepEqual(Buffer.from((await router.receive()).value), HONEST);
    await toDealer.send(HONEST);
    assert.deepEqual(Buffer.from(await dealer.receive()), HONEST);
  });

  test(`marks: a Subscriber ${where} reads them as they came, as a topic too`, {
    timeout: WATCHDOG_MS,
  }, async (t) => {
    const subscriber = open(t, new Subscriber<{ t: Uint8Array }>(options));
    subscriber.subscribe("#");
    const address = await bindBoth(subscriber);
    const publisher = new zmq.XPublisher({ linger: 0 });
    hostile(t, publisher, address);
    // It tells what it wants while it is read.
    let next = subscriber.receive();
    while ((await publisher.receive())[0]!.length !== 1);
    for (const frame of HOSTILE) {
      await publisher.send([frame, HONEST]);
      assert.deepEqual(Buffer.from((await next).value), HONEST);
      next = subscriber.receive();
      await publisher.send(["t", frame]);
      assert.deepEqual(Buffer.from((await next).value), frame);
      next = subscriber.receive();
    }
    await publisher.send(["t", HONEST]);
    assert.deepEqual(Buffer.from((await next).value), HONEST);
  });

  test(`marks: a Replier and a Requester ${where} go on behind them`, {
    timeout: WATCHDOG_MS,
  }, async (t) => {
    const replier = open(t, new Replier<Uint8Array, Uint8Array>(options));
    void replier.serve((bytes) => Buffer.from(bytes));
    const toReplier = await bindBoth(replier);
    const dealer = hostile(t, new zmq.Dealer({ linger: 0 }), toReplier);
    for (const frame of HOSTILE) {
      await dealer.send(["id", "", frame]);
      assert.deepEqual((await dealer.receive())[2], frame);
      await dealer.send(frame);
      await dealer.send(["x", frame]);
      await dealer.send([frame, "", HONEST]);
      assert.deepEqual((await dealer.receive())[0], frame);
    }
    const requester = open(t, new Requester<Uint8Array, Uint8Array>(options));
    const address = await bindBoth(requester);
    const router = hostile(t, new zmq.Router({ linger: 0 }), address);
    for (const frame of HOSTILE) {
      const reply = requester.request(HONEST);
      const [id, request] = await router.receive();
      await router.send([id!, frame]);
      await router.send([id!, "x", frame]);
      await router.send([id!, request!, "", frame]);
      assert.deepEqual(Buffer.from(await reply), frame);
    }
  });

  test(`marks: a reliable Pull and a reliable Push ${where} go on behind them`, {
    timeout: WATCHDOG_MS,
  }, async (t) => {
    const pull = open(t, new Pull<string>({ reliable: true, gate }));
    const push = open(t, new Push<string>({ reliable: true, gate }));
    const addresses: string[] = [];
    for (const socket of [pull, push]) {
      const refused = socket.once("error");
      const address = await bindBoth(socket);
      addresses.push(address);
      const dealer = hostile(t, new zmq.Dealer({ linger: 0 }), address);
      for (const frame of HOSTILE) await dealer.send(["x", frame]);
      assert.equal((await refused).code, "BROKERLESS_PROTOCOL");
    }
    const taken = pull.receive();
    const honest = open(t, new Push<string>({ reliable: true }));
    honest.connect(addresses[0]!);
    void honest.send("honest");
    assert.equal(await taken, "honest");
    const honestPull = open(t, new Pull<string>({ reliable: true }));
    honestPull.connect(addresses[1]!);
    void push.send("honest too");
    assert.equal(await honestPull.receive(), "honest too");
  });
}
