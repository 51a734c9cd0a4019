import assert from "node:assert/strict";
import { test } from "node:test";
import { EventLog } from "../../../lib/core/events/event-log.ts";
import { BrokerlessError, type Logger, type LogLevel, Push } from "../../../lib/index.ts";
import { range } from "../../support/fixtures.ts";

interface Written {
  readonly level: LogLevel;
  readonly fields: object;
  readonly text: string;
}

function gathered(): { written: Written[]; logger: Logger } {
  const written: Written[] = [];
  const put = (level: LogLevel) => (fields: object, text: string) =>
    void written.push({ level, fields, text });
  const logger = {
    debug: put("debug"),
    info: put("info"),
    warn: put("warn"),
    error: put("error"),
  };
  return { written, logger };
}

/** What the log says of one event. */
function entryOf(write: (log: EventLog) => void, name: string | null = null): Written {
  const { written, logger } = gathered();
  const log = new EventLog(logger, "Push", name);
  write(log);
  log.end();
  assert.equal(written.length, 1);
  return written[0]!;
}

const STREAM = "0".repeat(32);
const PLACE = { stream: STREAM, seqFirst: 3, seqLast: 5 };
const PEER = { address: "tcp://127.0.0.1:5", id: "ab", name: "till", peers: 2 };

test("event log: each event has a level, a text, and its fields", () => {
  const socket = "Push";
  assert.deepEqual(
    entryOf((log) => log.write("peer", PEER), "orders"),
    {
      level: "info",
      fields: {
        socket,
        name: "orders",
        event: "peer",
        peer: "till",
        peerId: "ab",
        address: "tcp://127.0.0.1:5",
        peers: 2,
      },
      text: 'Push "orders": a peer came: "till" at tcp://127.0.0.1:5',
    },
  );
  assert.deepEqual(
    entryOf((log) => log.write("peerLost", { ...PEER, id: null, name: null })),
    {
      level: "info",
      fields: { socket, event: "peerLost", address: "tcp://127.0.0.1:5", peers: 2 },
      text: "Push: a peer left: tcp://127.0.0.1:5",
    },
  );
  const cause = new RangeError("far");
  assert.deepEqual(
    entryOf((log) =>
      log.write("error", new BrokerlessError("BROKERLESS_ADDRESS", "not there", { cause })),
    ),
    {
      level: "error",
      fields: {
        socket,
        event: "error",
        code: "BROKERLESS_ADDRESS",
        retryable: true,
        error: "not there",
        cause: "RangeError: far",
      },
      text: "Push: not there",
    },
  );
  const dead = {
    ...PLACE,
    ids: ["a", "b", "c"],
    attempts: 4,
    reason: "all attempts failed",
    error: { name: "TypeError", message: "no", code: "E_NO" },
    firstAttemptAt: null,
    deadAt: new Date(0),
  };
  assert.deepEqual(
    entryOf((log) => log.write("deadLetter", dead)),
    {
      level: "error",
      fields: {
        socket,
        event: "deadLetter",
        ...PLACE,
        attempt: 4,
        reason: "all attempts failed",
        error: "TypeError: no",
        code: "E_NO",
      },
      text: "Push: messages 3 to 5 are dead letters now: all attempts failed",
    },
  );
  const one = entryOf((log) => log.write("deadLetter", { ...dead, seqLast: 3, ids: ["a"] }));
  const { id } = one.fields as { readonly id?: string };
  assert.equal(id, "a", "one message is found by its id");
  for (const [event, level] of [
    ["dropped", "warn"],
    ["lost", "error"],
    ["leaseLost", "warn"],
  ] as const) {
    const entry = entryOf((log) => log.write(event, { ...PLACE, seqLast: 3 }));
    assert.equal(entry.level, level);
    assert.deepEqual(entry.fields, { socket, event, ...PLACE, seqLast: 3 });
    assert.match(entry.text, /^Push: message 3 is /);
  }
  const ranges = [
    { seqFirst: 3, seqLast: 3 },
    { seqFirst: 5, seqLast: 5 },
  ];
  const diverged = entryOf((log) => log.write("diverged", { stream: STREAM, ranges }));
  assert.deepEqual(
    [diverged.level, diverged.fields],
    ["error", { socket, event: "diverged", ...PLACE }],
  );
  const subscribe = entryOf((log) => log.write("subscribe", { prefix: "quotes." }));
  assert.deepEqual(
    [subscribe.level, subscribe.fields],
    ["debug", { socket, event: "subscribe", prefix: "quotes." }],
  );
  const count = entryOf((log) => log.write("subscribers", { count: 7 }));
  assert.deepEqual(
    [count.level, count.fields],
    ["debug", { socket, event: "subscribers", peers: 7 }],
  );
});

test("event log: of what a handler threw it has the text, the code, and the calls", () => {
  const error = Object.assign(new RangeError("not\ntoday"), { code: "E_LATE" });
  const entry = entryOf((log) => log.write("retry", { id: "x", attempt: 2, error }));
  const { stack, ...fields } = entry.fields as { readonly stack: string };
  assert.deepEqual(fields, {
    socket: "Push",
    event: "retry",
    id: "x",
    attempt: 2,
    error: "RangeError: not\\u000atoday",
    code: "E_LATE",
  });
  assert.match(stack, /^ {4}at .*event-log\.test/);
  assert.ok(stack.split("\n").length <= 10);
  const failed = entryOf((log) => log.write("requestFailed", { peer: "ab", error }));
  assert.deepEqual(
    [failed.level, failed.fields],
    [
      "warn",
      {
        socket: "Push",
        event: "requestFailed",
        peerId: "ab",
        error: "RangeError: not\\u000atoday",
        code: "E_LATE",
        stack,
      },
    ],
  );
  assert.equal(failed.text, "Push: the handler of a request failed: RangeError: not\\u000atoday");
  const thrown = entryOf((log) => log.write("retry", { id: "x", attempt: 1, error: "just this" }));
  assert.equal(thrown.text, "Push: attempt 1 failed: Error: just this");
});

test("event log: what a handler threw may be anything", () => {
  const trap = new Proxy(new Error("x"), {
    get() {
      throw new Error("trap");
    },
  });
  const { proxy, revoke } = Proxy.revocable(new Error("x"), {});
  revoke();
  for (const error of [trap, proxy, null, undefined, Symbol("odd"), Object.create(null)]) {
    const { level } = entryOf((log) => log.write("requestFailed", { peer: "ab", error }));
    assert.equal(level, "warn");
  }
});

test("event log: nothing in an entry can be obeyed by a terminal, or is long", () => {
  const evil = `\u001b[2J\u202e\n${"x".repeat(5_000)}`;
  const error = new Error(evil);
  const events = [
    entryOf((log) => log.write("subscribe", { prefix: evil })),
    entryOf((log) => log.write("retry", { id: evil, attempt: 1, error })),
    entryOf((log) =>
      log.write("error", new BrokerlessError("BROKERLESS_CODEC", evil, { cause: error })),
    ),
    entryOf((log) => log.write("peer", { ...PEER, address: evil })),
  ];
  for (const { fields, text } of events) {
    for (const [key, said] of [...Object.entries(fields), ["text", text]]) {
      if (typeof said !== "string") continue;
      const lines = key === "stack" ? said.split("\n") : [said];
      for (const line of lines) {
        assert.doesNotMatch(line, /[\p{Cc}\p{Cf}]/u, key);
        // An escape takes six characters.
        assert.ok(line.length <= 1_100, `${key}: ${line.length}`);
      }
    }
  }
});

test("event log: of many events in a second the first are written, and how many more there were", () => {
  const { written, logger } = gathered();
  const log = new EventLog(logger, "Push", null);
  for (const peers of range(1_000)) log.write("peer", { ...PEER, peers });
  log.write("dropped", PLACE);
  assert.equal(written.length, 65);
  log.end();
  assert.equal(written.length, 66);
  assert.deepEqual(written[65], {
    level: "info",
    fields: { socket: "Push", event: "peer", more: 936 },
    text: 'Push: 936 more events "peer" within a second',
  });
  log.write("peer", PEER);
  log.end();
  assert.equal(written.length, 67);
});

test("event log: what is no logger is a TypeError", () => {
  for (const logger of [null, true, {}, { ...gathered().logger, warn: 5 }]) {
    assert.throws(() => new Push({ logger: logger as unknown as Logger }), TypeError);
  }
});
