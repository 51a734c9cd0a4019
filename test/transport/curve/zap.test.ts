import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { readdirSync } from "node:fs";
import { describe, mock, type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as zmq from "zeromq";
import type { BrokerlessError } from "../../../lib/errors.ts";
import { generateKeyPair, type KeyPair } from "../../../lib/transport/curve/curve.ts";
import { type Security, securityOption } from "../../../lib/transport/curve/security.ts";
import {
  applySecurity,
  nativeOptions,
  SecuredContext,
  securedContext,
} from "../../../lib/transport/curve/zap.ts";
import { ZAP_ENDPOINT } from "../../../lib/transport/curve/zap-handler.ts";
import { eventually } from "../../support/eventually.ts";
import { WATCHDOG_MS } from "../../support/watchdog.ts";

const server = generateKeyPair();
const friend = generateKeyPair();

type Outcome = "handshake" | "handshake:error:auth" | "handshake:error:protocol" | "other";

/** What a monitor has seen, and a promise for the next of it. */
function watch(socket: zmq.Socket) {
  const seen: Outcome[] = [];
  let wake: (() => void) | null = null;
  const hear = (outcome: Outcome) => () => {
    seen.push(outcome);
    wake?.();
  };
  socket.events.on("handshake", hear("handshake"));
  socket.events.on("handshake:error:auth", hear("handshake:error:auth"));
  socket.events.on("handshake:error:protocol", hear("handshake:error:protocol"));
  socket.events.on("handshake:error:other", hear("other"));
  let read = 0;
  const next = async (): Promise<Outcome> => {
    while (seen.length === read) {
      await new Promise<void>((resolve) => {
        wake = resolve;
      });
    }
    return seen[read++] as Outcome;
  };
  return { next, seen };
}

/** Silences libzmq's lingering and puts the sockets away at the end of the test. */
function tidy<S extends zmq.Socket>(t: TestContext, socket: S): S {
  socket.linger = 0;
  socket.handshakeInterval = 2000;
  t.after(() => socket.close());
  return socket;
}

async function listen(t: TestContext, security: Security) {
  const resolved = securityOption(security, "Pull: security");
  const pull = tidy(t, new zmq.Pull(nativeOptions(resolved)));
  const lost: BrokerlessError[] = [];
  const guard = applySecurity(pull, resolved, (error) => lost.push(error));
  t.after(() => guard.release());
  const monitor = watch(pull);
  await guard.ready();
  await pull.bind("tcp://127.0.0.1:*");
  return { pull, monitor, guard, lost, address: pull.lastEndpoint ?? "" };
}

function call(t: TestContext, address: string, keys: KeyPair | null, serverKey = server.publicKey) {
  const push = tidy(t, new zmq.Push());
  push.reconnectInterval = -1;
  if (keys !== null) {
    applySecurity(push, securityOption({ ...keys, serverKey }, "Push: security"), () => {});
  }
  const monitor = watch(push);
  push.connect(address);
  return { push, monitor };
}

describe("CURVE with our ZAP handler", () => {
  test("zap: a key on the list is admitted, and its messages arrive", async (t) => {
    const { pull, monitor, address } = await listen(t, { ...server, allow: [friend.publicKey] });
    const { push, monitor: clientMonitor } = call(t, address, friend);
    assert.equal(await monitor.next(), "handshake");
    assert.equal(await clientMonitor.next(), "handshake");
    await push.send("hello");
    assert.equal(String(await pull.receive()), "hello");
  });

  test("zap: over ipc too", async (t) => {
    const resolved = securityOption({ ...server, allow: [friend.publicKey] }, "x");
    const pull = tidy(t, new zmq.Pull(nativeOptions(resolved)));
    const guard = applySecurity(pull, resolved, () => {});
    t.after(() => guard.release());
    const monitor = watch(pull);
    await guard.ready();
    const address = `ipc://@brokerless-${process.pid}-${randomBytes(6).toString("hex")}`;
    await pull.bind(address);
    call(t, address, generateKeyPair());
    assert.equal(await monitor.next(), "handshake:error:auth");
    call(t, address, friend);
    assert.equal(await monitor.next(), "handshake");
  });

  test("zap: a random key is refused, and the next key on the list is still admitted", async (t) => {
    const { monitor, address } = await listen(t, { ...server, allow: [friend.publicKey] });
    const stranger = call(t, address, generateKeyPair());
    assert.equal(await monitor.next(), "handshake:error:auth");
    assert.equal(await stranger.monitor.next(), "handshake:error:auth");
    call(t, address, friend);
    assert.equal(await monitor.next(), "handshake");
  });

  test("zap: a key allowed at one socket is refused at the other sockets of the thread", async (t) => {
    const other = generateKeyPair();
    const a = await listen(t, { ...server, allow: [friend.publicKey] });
    const b = await listen(t, { ...server, allow: [other.publicKey] });
    call(t, a.address, other);
    assert.equal(await a.monitor.next(), "handshake:error:auth");
    call(t, b.address, friend);
    assert.equal(await b.monitor.next(), "handshake:error:auth");
    call(t, b.address, other);
    assert.equal(await b.monitor.next(), "handshake");
  });

  test("zap: a client without CURVE is refused", async (t) => {
    const { monitor, address } = await listen(t, { ...server, allow: () => true });
    call(t, address, null);
    // An error without details where the client, which refuses as well, was quicker to hang up.
    assert.match(await monitor.next(), /^(handshake:error:protocol|other)$/);
    call(t, address, friend);
    while ((await monitor.next()) !== "handshake");
    assert.equal(monitor.seen.filter((outcome) => outcome === "handshake").length, 1);
  });

  test("zap: a client with CURVE refuses a server without it", async (t) => {
    const { address } = await listen(t, "none");
    const { monitor } = call(t, address, friend);
    assert.equal(await monitor.next(), "handshake:error:protocol");
  });

  test("zap: a client that expects another server is refused", async (t) => {
    const { monitor, address } = await listen(t, { ...server, allow: () => true });
    const lost = call(t, address, friend, generateKeyPair().publicKey);
    assert.equal(await monitor.next(), "handshake:error:protocol");
    assert.deepEqual(lost.monitor.seen.includes("handshake"), false);
  });

  const refusals: readonly [string, () => boolean | Promise<boolean>][] = [
    ["returns false", () => false],
    ["resolves to false", async () => false],
    ["returns something truthy", () => "yes" as unknown as boolean],
    [
      "throws",
      () => {
        throw new Error("x");
      },
    ],
    ["rejects", () => Promise.reject(new Error("x"))],
    ["never settles", () => new Promise(() => {})],
  ];
  for (const [what, allow] of refusals) {
    test(`zap: an allow function that ${what} refuses`, async (t) => {
      const { monitor, address } = await listen(t, { ...server, allow, allowTimeoutMs: 50 });
      call(t, address, friend);
      assert.equal(await monitor.next(), "handshake:error:auth");
    });
  }

  test("zap: a slow decision delays no other client", async (t) => {
    let release: (verdict: boolean) => void = () => {};
    const slow = new Promise<boolean>((resolve) => {
      release = resolve;
    });
    const { monitor, address } = await listen(t, {
      ...server,
      allow: (key) => (key === friend.publicKey ? slow : true),
    });
    const first = call(t, address, friend);
    call(t, address, generateKeyPair());
    assert.equal(await monitor.next(), "handshake");
    assert.deepEqual(first.monitor.seen, []);
    release(true);
    assert.equal(await first.monitor.next(), "handshake");
  });

  test("zap: a server may connect, and a client may bind", async (t) => {
    const client = securityOption({ ...friend, serverKey: server.publicKey }, "x");
    const push = tidy(t, new zmq.Push(nativeOptions(client)));
    applySecurity(push, client, () => {});
    const monitor = watch(push);
    await push.bind("tcp://127.0.0.1:*");
    const identity = securityOption({ ...server, allow: [friend.publicKey] }, "x");
    const pull = tidy(t, new zmq.Pull(nativeOptions(identity)));
    const guard = applySecurity(pull, identity, () => {});
    t.after(() => guard.release());
    pull.connect(push.lastEndpoint ?? "");
    assert.equal(await monitor.next(), "handshake");
    await push.send("to the server");
    assert.equal(String(await pull.receive()), "to the server");
  });
});

describe("the ZAP handler itself", () => {
  /** A context with a handler, and someone inside who writes to it what they like. */
  function inside(t: TestContext) {
    const secured = new SecuredContext();
    const domain = secured.register({ admits: async () => true, lost: () => {} });
    t.after(() => domain.release());
    const dealer = tidy(t, new zmq.Dealer({ context: secured.native }));
    dealer.connect(ZAP_ENDPOINT);
    return { dealer, domain };
  }

  test("zap: malformed requests get the reply 400, and the handler keeps working", async (t) => {
    const { dealer, domain } = inside(t);
    const key = randomBytes(32);
    const good = ["", "1.0", "1", domain.name, "127.0.0.1", "", "CURVE", key];
    const bad = [
      [""],
      ["", "1.0"],
      ["garbage"],
      good.with(1, "2.0"),
      good.with(3, "brokerless.999"),
      good.with(3, "__proto__"),
      good.with(3, ""),
      good.with(6, "NULL"),
      good.with(6, "PLAIN"),
      good.with(7, key.subarray(1)),
      good.with(7, Buffer.alloc(1e6)),
      [...good, "more"],
      Array.from({ length: 5000 }, () => ""),
    ];
    for (const request of bad) {
      await dealer.send(request);
      assert.equal(String((await dealer.receive())[3]), "400", String(request).slice(0, 60));
    }
    await dealer.send(good);
    const answer = await dealer.receive();
    assert.deepEqual(answer.slice(0, 6).map(String), ["", "1.0", "1", "200", "OK", ""]);
    assert.equal(answer.length, 7);
  });

  test("zap: 5,000 concurrent requests all get a reply", async (t) => {
    const { dealer, domain } = inside(t);
    dealer.sendHighWaterMark = 0;
    dealer.receiveHighWaterMark = 0;
    const good = ["", "1.0", "1", domain.name, "127.0.0.1", "", "CURVE", randomBytes(32)];
    let answered = 0;
    const reading = (async () => {
      while (answered < 5000) if (String((await dealer.receive())[3]) === "200") answered += 1;
    })();
    for (let i = 0; i < 5000; i++) await dealer.send(good);
    await reading;
    assert.equal(answered, 5000);
  });

  test("zap: a released domain is refused", async (t) => {
    const { dealer, domain } = inside(t);
    const other = { ...domain };
    await dealer.send(["", "1.0", "1", `${other.name}x`, "", "", "CURVE", randomBytes(32)]);
    assert.equal(String((await dealer.receive())[3]), "400");
  });

  test("zap: when the handler dies, every socket is notified, and later ones get a new handler", async (t) => {
    const secured = new SecuredContext();
    const lost: BrokerlessError[] = [];
    // The handler's next receive fails, as if its socket had been closed under it.
    const receive = mock.method(zmq.Router.prototype, "receive", () =>
      Promise.reject(new Error("the loop has ended")),
    );
    const domains = [1, 2].map(() =>
      secured.register({ admits: async () => true, lost: (error) => lost.push(error) }),
    );
    const readies = domains.map((domain) => assert.rejects(domain.ready(), SECURITY));
    await Promise.all(readies);
    receive.mock.restore();
    assert.deepEqual(
      lost.map((error) => error.code),
      ["BROKERLESS_SECURITY", "BROKERLESS_SECURITY"],
    );
    const later = secured.register({ admits: async () => true, lost: () => {} });
    t.after(() => later.release());
    await later.ready();
    for (const domain of domains) {
      await assert.rejects(domain.ready(), SECURITY);
      domain.release();
    }
    await later.ready();
  });

  test("zap: without a running handler nobody is admitted", async (t) => {
    const { guard, pull, monitor, address } = await listen(t, { ...server, allow: () => true });
    guard.release(); // the last one: the handler stops, though the socket is still open
    call(t, address, friend);
    assert.equal(await monitor.next(), "other");
    assert.equal(pull.closed, false);
  });
});

const SECURITY = { name: "BrokerlessError", code: "BROKERLESS_SECURITY" };

describe("the self-test", () => {
  test("zap: a handler that admits everybody is detected before the first bind", async (t) => {
    // Negative control of the self-test: 400 is turned into 200 on its way to libzmq.
    const send = zmq.Router.prototype.send;
    mock.method(zmq.Router.prototype, "send", function (this: zmq.Router, frames: unknown[]) {
      return send.call(this, frames.with(4, "200") as zmq.MessageLike[]);
    });
    t.after(() => mock.restoreAll());
    const domain = new SecuredContext().register({ admits: async () => true, lost: () => {} });
    t.after(() => domain.release());
    await assert.rejects(domain.ready(), {
      ...SECURITY,
      message: /had to be refused was admitted/,
    });
    await assert.rejects(domain.ready(), SECURITY);
  });

  test("zap: a handler that refuses everybody is detected too", async (t) => {
    const send = zmq.Router.prototype.send;
    mock.method(zmq.Router.prototype, "send", function (this: zmq.Router, frames: unknown[]) {
      return send.call(this, frames.with(4, "400") as zmq.MessageLike[]);
    });
    t.after(() => mock.restoreAll());
    const domain = new SecuredContext().register({ admits: async () => true, lost: () => {} });
    t.after(() => domain.release());
    await assert.rejects(domain.ready(), {
      ...SECURITY,
      message: /had to be admitted was refused/,
    });
  });

  test("zap: a context whose endpoint is taken is refused at once", () => {
    const secured = new SecuredContext();
    const squatter = new zmq.Router({ context: secured.native });
    squatter.bindSync(ZAP_ENDPOINT);
    assert.throws(() => secured.register({ admits: async () => true, lost: () => {} }), SECURITY);
    squatter.close();
  });
});

describe("negative control", () => {
  test("zap: without the handler and the domain, plain zeromq.js admits a random key", async (t) => {
    const pull = tidy(t, new zmq.Pull({ context: new zmq.Context() }));
    pull.curveServer = true;
    pull.curveSecretKey = server.secretKey;
    const monitor = watch(pull);
    await pull.bind("tcp://127.0.0.1:*");
    const { push } = call(t, pull.lastEndpoint ?? "", generateKeyPair());
    assert.equal(await monitor.next(), "handshake");
    await push.send("I am nobody");
    assert.equal(String(await pull.receive()), "I am nobody");
  });
});

describe("the secured context", () => {
  test("zap: there is one per thread, separate from the global one", () => {
    assert.equal(securedContext(), securedContext());
    assert.notEqual(securedContext().native, zmq.context);
    assert.deepEqual(nativeOptions("none"), {});
    assert.deepEqual(nativeOptions(null), {});
  });

  test("zap: opening and closing secured sockets 50 times leaks no file descriptor", async (t) => {
    const count = () => readdirSync("/proc/self/fd").length;
    const once = async () => {
      const resolved = securityOption({ ...server, allow: [friend.publicKey] }, "x");
      const pull = new zmq.Pull(nativeOptions(resolved));
      pull.linger = 0;
      const guard = applySecurity(pull, resolved, () => {});
      const ended = new Promise((resolve) => pull.events.on("end", resolve));
      await guard.ready();
      await pull.bind("tcp://127.0.0.1:*");
      pull.close();
      guard.release();
      await ended;
    };
    if (process.platform !== "linux") return t.skip("needs /proc");
    await once();
    const before = count();
    for (let i = 0; i < 50; i++) await once();
    // libzmq's reaper closes sockets in its own time; a leak of one each time would stay above this.
    await eventually(() => {
      assert.ok(count() <= before + 20, `${count()} file descriptors, before ${before}`);
    });
  });

  const processes = [
    ["the process ends by itself once the secured socket is closed", "zap-exit.ts", "closed\n"],
    ["a worker thread may end at any time", "zap-worker.ts", "testing\nbound\n"],
  ] as const;
  for (const [claim, file, printed] of processes) {
    test(`zap: ${claim}`, () => {
      const fixture = fileURLToPath(new URL(`../../support/${file}`, import.meta.url));
      const { status, stdout, stderr, error } = spawnSync(
        process.execPath,
        ["--import", "tsx", fixture],
        { encoding: "utf8", timeout: WATCHDOG_MS },
      );
      assert.deepEqual([status, stdout, stderr, error], [0, printed, "", undefined]);
    });
  }
});
