import assert from "node:assert/strict";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { connect, createServer } from "node:net";
import { dirname, join } from "node:path";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { Pull, Push, Router } from "../../../lib/index.ts";
import { SocketFile } from "../../../lib/transport/native/socket-file.ts";
import { eventually } from "../../support/eventually.ts";
import { errorsOf, open } from "../../support/fixtures.ts";

const onUnix = { skip: process.platform === "win32" && "its files of sockets have no modes" };
/** The account that owns nothing, on all systems that have a root. */
const NOBODY = 65_534;

/** A path in a directory that everybody may enter, in a process that lets everybody do everything with its files. */
function openPathOf(t: TestContext): string {
  // Not in the temporary folder of this account, which another one may not enter.
  const directory = mkdtempSync("/tmp/brokerless-");
  chmodSync(directory, 0o755);
  const before = process.umask(0);
  t.after(() => {
    process.umask(before);
    rmSync(directory, { recursive: true });
  });
  return join(directory, "socket");
}

const modeOf = (path: string): number => statSync(path).mode & 0o777;

const SOCKETS = {
  "a Pull": () => new Pull<number>({ gate: false }),
  "a Pull with a gate": () => new Pull<number>({ gate: true }),
  "a Router": () => new Router<number>({ gate: false }),
  "a reliable Pull": () => new Pull<number>({ reliable: true, gate: false }),
  "a reliable Pull with a gate": () => new Pull<number>({ reliable: true, gate: true }),
};

for (const [name, make] of Object.entries(SOCKETS)) {
  test(
    `ipc mode: the path of ${name} is private to its account, whatever the umask`,
    onUnix,
    async (t) => {
      const path = openPathOf(t);
      const socket = open(t, make());
      await socket.bind(`ipc://${path}`);
      assert.equal(modeOf(path), 0o600);
      assert.deepEqual(readdirSync(dirname(path)), ["socket"]);
    },
  );
}

test(
  "ipc mode: control: libzmq and Node by themselves let everybody connect",
  onUnix,
  async (t) => {
    const path = openPathOf(t);
    const native = new zmq.Pull({ linger: 0 });
    t.after(() => native.close());
    native.bindSync(`ipc://${path}`);
    assert.equal(modeOf(path), 0o777);
    const server = createServer();
    t.after(() => server.close());
    await new Promise<void>((resolve) => server.listen(`${path}.node`, resolve));
    assert.equal(modeOf(`${path}.node`), 0o777);
  },
);

test("ipc mode: another account cannot connect, and can without this protection", onUnix, (t) => {
  if (process.getuid?.() !== 0) return t.skip("only root can be another account");
  return (async () => {
    const path = openPathOf(t);
    // Not a process of that account: it may not be able to run this Node.
    const connectAsNobody = async () => {
      process.seteuid!(NOBODY);
      const socket = connect(path);
      try {
        await once(socket, "connect");
        return "connected";
      } catch (error) {
        return (error as NodeJS.ErrnoException).code;
      } finally {
        process.seteuid!(0);
        socket.destroy();
      }
    };
    for (const gate of [true, false]) {
      const pull = open(t, new Pull<number>({ gate }));
      await pull.bind(`ipc://${path}`);
      assert.equal(await connectAsNobody(), "EACCES");
      await pull.close();
    }
    rmSync(path);
    const native = new zmq.Pull({ linger: 0 });
    t.after(() => native.close());
    native.bindSync(`ipc://${path}`);
    assert.equal(await connectAsNobody(), "connected");
  })();
});

test("ipc mode: before it has its mode, the file is in a private directory", onUnix, (t) => {
  const path = openPathOf(t);
  const deep = join(dirname(path), "d".repeat(60), "socket");
  mkdirSync(dirname(deep));
  for (const place of [path, deep]) {
    const file = new SocketFile(place);
    assert.equal(modeOf(dirname(file.draft)), 0o700);
    file.remove();
    assert.deepEqual(readdirSync(dirname(deep)), []);
  }
});

test(
  "ipc mode: peers connect to the path, and it can be unbound and bound again",
  onUnix,
  async (t) => {
    const path = openPathOf(t);
    const address = `ipc://${path}`;
    const pull = open(t, new Pull<number>({ gate: false }));
    const errors = errorsOf(pull);
    for (let round = 0; round < 3; round++) {
      assert.equal(await pull.bind(address), address);
      const push = open(t, new Push<number>());
      push.connect(address);
      await push.send(round);
      assert.equal(await pull.receive(), round);
      const addressesOf = () => pull.peers().map((peer) => peer.address);
      await eventually(() => assert.deepEqual(addressesOf(), [address]));
      await push.close();
      await eventually(() => assert.equal(pull.stats().peers, 0));
      await pull.unbind(address);
      await assert.rejects(pull.unbind(address), { code: "BROKERLESS_ADDRESS" });
    }
    assert.deepEqual(errors, []);
  },
);

test("ipc mode: a path of the longest allowed length is private too", onUnix, async (t) => {
  const directory = dirname(openPathOf(t));
  const deep = join(directory, "d".repeat(103 - 3 - directory.length));
  mkdirSync(deep);
  const pull = open(t, new Pull<number>({ gate: false }));
  await pull.bind(`ipc://${deep}/s`);
  assert.equal(modeOf(`${deep}/s`), 0o600);
  assert.deepEqual(readdirSync(deep), ["s"]);
  const push = open(t, new Push<number>());
  push.connect(`ipc://${deep}/s`);
  await push.send(1);
  assert.equal(await pull.receive(), 1);
});

for (const gate of [true, false]) {
  const which = gate ? "with a gate" : "without a gate";
  test(
    `ipc path: a missing directory is reported, ${which}, and the bind works once it exists`,
    onUnix,
    async (t) => {
      const directory = join(dirname(openPathOf(t)), "none");
      const address = `ipc://${directory}/socket`;
      const pull = open(t, new Pull<number>({ gate }));
      await assert.rejects(pull.bind(address), (error: Error) => {
        assert.match(
          error.message,
          /^cannot bind ipc:\/\/.*none\/socket: ENOENT: no such file or directory, /,
        );
        assert.doesNotMatch(error.message, /brokerless-gate|XXXX/);
        return true;
      });
      mkdirSync(directory);
      assert.equal(await pull.bind(address), address);
    },
  );
}
