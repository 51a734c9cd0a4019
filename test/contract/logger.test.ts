import assert from "node:assert/strict";
import { test } from "node:test";
import {
  generateKeyPair,
  type LogFields,
  type Logger,
  type LogLevel,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Subscriber,
} from "../../lib/index.ts";
import { MemoryJournal } from "../../lib/journal/index.ts";
import { Worker, WorkQueue } from "../../patterns/work-queue.ts";
import { eachTransport } from "../support/each-transport.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/fixtures.ts";
import { ROLES } from "../support/roles.ts";
import { World } from "../support/world.ts";

/** A logger as pino's: its methods need their object. */
class Log implements Logger {
  readonly entries: {
    readonly level: LogLevel;
    readonly fields: LogFields;
    readonly text: string;
  }[] = [];

  debug(fields: LogFields, text: string): void {
    this.entries.push({ level: "debug", fields, text });
  }
  info(fields: LogFields, text: string): void {
    this.entries.push({ level: "info", fields, text });
  }
  warn(fields: LogFields, text: string): void {
    this.entries.push({ level: "warn", fields, text });
  }
  error(fields: LogFields, text: string): void {
    this.entries.push({ level: "error", fields, text });
  }

  /** The entries of an event, as soon as there are some. */
  of(event: string): Promise<{ readonly level: LogLevel; readonly fields: LogFields }[]> {
    return eventually(() => {
      const found = this.entries.filter(({ fields }) => fields.event === event);
      assert.ok(found.length > 0, `no "${event}" among ${JSON.stringify(this.entries)}`);
      return found;
    });
  }
}

for (const { role, make, makePeer } of ROLES) {
  eachTransport(`logger: a ${role} tells who comes and goes`, async (t, wire) => {
    const logger = new Log();
    const socket = open(t, make({ logger, name: "here" }));
    const peer = open(t, makePeer());
    const address = await wire.join(socket, peer);
    const [came] = await logger.of("peer");
    assert.equal(came?.level, "info");
    assert.deepEqual(came?.fields, {
      socket: role,
      name: "here",
      event: "peer",
      address,
      peers: 1,
    });
    await peer.close();
    const [left] = await logger.of("peerLost");
    assert.deepEqual([left?.level, left?.fields.peers], ["info", 0]);
  });

  test(`logger: a ${role} tells its errors, and no key`, async (t) => {
    const logger = new Log();
    const [ours, theirs] = [generateKeyPair(), generateKeyPair()];
    const admitted = [generateKeyPair().publicKey];
    const server = open(t, make({ logger, security: { ...ours, allow: admitted } }));
    const stranger = open(t, makePeer({ security: { ...theirs, serverKey: ours.publicKey } }));
    const errors: string[] = [];
    server.on("error", ({ message }) => errors.push(message));
    stranger.connect(await server.bind("tcp://127.0.0.1:*"));
    const [entry] = await logger.of("error");
    assert.equal(entry?.level, "error");
    const { socket, code, error } = entry?.fields ?? {};
    assert.deepEqual([socket, code, error], [role, "BROKERLESS_SECURITY", errors[0]]);
    for (const { secretKey } of [ours, theirs]) {
      assert.ok(!JSON.stringify(logger.entries).includes(secretKey));
    }
  });
}

test("logger: retries and dead letters are told, of a work queue and its worker too", async (t) => {
  const world = new World(t);
  const [queueLog, workerLog] = [new Log(), new Log()];
  const queue = world.socket(
    await WorkQueue.open({
      directory: world.directory(),
      attemptsMax: 2,
      retryMs: 0,
      logger: queueLog,
    }),
  );
  const connect = await queue.bind("tcp://127.0.0.1:*");
  const worker = await Worker.start({ connect, logger: workerLog }, () => {
    throw new RangeError("not today");
  });
  world.socket({ close: async () => void (await worker.close()) });
  await queue.add("job");
  const [dead] = await queueLog.of("deadLetter");
  assert.equal(dead?.level, "error");
  assert.deepEqual([dead?.fields.socket, dead?.fields.seqFirst], ["Push", 1]);
  const [retry] = await workerLog.of("retry");
  assert.equal(retry?.level, "warn");
  assert.equal(retry?.fields.error, "RangeError: not today");
  assert.match(retry?.fields.stack ?? "", /logger\.test/);
});

test("logger: what a handler of a replier throws is told, with where", async (t) => {
  const logger = new Log();
  const replier = open(t, new Replier<number, number>({ logger, name: "sums" }));
  const requester = open(t, new Requester<number, number>());
  requester.connect(await replier.bind("tcp://127.0.0.1:*"));
  void replier.serve(() => {
    throw new RangeError("not a sum");
  });
  await assert.rejects(requester.request(1), { remoteName: "RangeError" });
  const [failed] = await logger.of("requestFailed");
  assert.equal(failed?.level, "warn");
  const { socket, name, error, stack } = failed?.fields ?? {};
  assert.deepEqual([socket, name, error], ["Replier", "sums", "RangeError: not a sum"]);
  assert.match(stack ?? "", /logger\.test/);
});

test("logger: messages that are given up to make room are told", async (t) => {
  const logger = new Log();
  const journal = new MemoryJournal();
  const push = open(
    t,
    new Push<number>({ logger, journal, overflow: "dropOldest", backlogMessagesMax: 2 }),
  );
  for (const value of [1, 2, 3]) await push.send(value);
  const [dropped] = await logger.of("dropped");
  assert.deepEqual([dropped?.level, dropped?.fields.seqFirst], ["warn", 1]);
});

test("logger: a publisher tells subscriptions, with what cannot be seen as escapes", async (t) => {
  const logger = new Log();
  const publisher = open(t, new Publisher({ logger }));
  const subscriber = open(t, new Subscriber());
  subscriber.subscribe("a\u001b[2Jb");
  subscriber.connect(await publisher.bind("tcp://127.0.0.1:*"));
  const [subscribe] = await logger.of("subscribe");
  assert.equal(subscribe?.level, "debug");
  assert.equal(subscribe?.fields.prefix, "a\\u001b[2Jb");
  await logger.of("subscribers");
});

test("logger: console is one, and a name is among what it writes", async (t) => {
  const lines: unknown[][] = [];
  t.mock.method(console, "info", (...line: unknown[]) => void lines.push(line));
  const push = open(t, new Push({ logger: console, name: "orders" }));
  const pull = open(t, new Pull());
  pull.connect(await push.bind("tcp://127.0.0.1:*"));
  await push.ready();
  assert.match(String(lines[0]?.[1]), /^Push "orders": a peer came: tcp:/);
});
