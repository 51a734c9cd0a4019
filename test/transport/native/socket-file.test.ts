import assert from "node:assert/strict";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import * as zmq from "zeromq";
import { Pull, Push, Router } from "../../../lib/index.ts";
import { SocketFile } from "../../../lib/transport/native/socket-file.ts";
import { open } from "../../support/fixtures.ts";
import { startThread } from "../../support/thread.ts";
import { WATCHDOG_MS } from "../../support/watchdog.ts";

const onUnix = {
  skip: process.platform === "win32" && "its files of sockets are others",
  timeout: WATCHDOG_MS,
};

function directoryOf(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return directory;
}

/** A value comes through the path, to the one that serves it. */
async function assertServed(t: TestContext, path: string, server: Pull<number>): Promise<void> {
  assert.ok(existsSync(path), "its file is gone");
  const push = open(t, new Push<number>());
  push.connect(`ipc://${path}`);
  await push.send(1);
  assert.equal(await server.receive(), 1);
}

/** Who had a path first, and gives it up after its file was taken away. */
const FIRST = {
  "a gated Pull": () => new Pull<number>({ gate: true }),
  "a gated Router": () => new Router<number>({ gate: true }),
  "a reliable Pull with a gate": () => new Pull<number>({ gate: true, reliable: true }),
  "a Pull without a gate": () => new Pull<number>({ gate: false }),
};

for (const [name, make] of Object.entries(FIRST)) {
  for (const ends of ["close", "unbind"] as const) {
    for (const gate of [true, false]) {
      const successor = gate ? "a gated successor" : "a successor";
      test(`socket file: ${ends} of ${name} keeps the file of ${successor}`, onUnix, async (t) => {
        const path = join(directoryOf(t), "socket");
        const first = open(t, make());
        await first.bind(`ipc://${path}`);
        rmSync(path);
        const second = open(t, new Pull<number>({ gate }));
        await second.bind(`ipc://${path}`);
        await (ends === "close" ? first.close() : first.unbind(`ipc://${path}`));
        await assertServed(t, path, second);
      });
    }
  }
}

test("socket file: control: Node by itself removes the file of a successor", onUnix, async (t) => {
  const path = join(directoryOf(t), "socket");
  const first = createServer();
  first.listen(path);
  await once(first, "listening");
  rmSync(path);
  await open(t, new Pull<number>()).bind(`ipc://${path}`);
  first.close();
  await once(first, "close");
  assert.equal(existsSync(path), false);
});

test(
  "socket file: the file of a plain ZeroMQ socket that took over the path is kept",
  onUnix,
  async (t) => {
    const path = join(directoryOf(t), "socket");
    const first = open(t, new Pull<number>({ gate: true }));
    await first.bind(`ipc://${path}`);
    const foreign = new zmq.Pull({ linger: 0 });
    t.after(() => foreign.close());
    foreign.bindSync(`ipc://${path}`);
    await first.close();
    assert.equal(statSync(path).isSocket(), true);
  },
);

test("socket file: a regular file that replaced it is kept", onUnix, async (t) => {
  const path = join(directoryOf(t), "socket");
  const first = open(t, new Pull<number>({ gate: true }));
  await first.bind(`ipc://${path}`);
  rmSync(path);
  writeFileSync(path, "precious");
  await first.close();
  assert.equal(statSync(path).isFile(), true);
});

test(
  "socket file: with a gate it is the only file, and is removed with its socket",
  onUnix,
  async (t) => {
    const directory = directoryOf(t);
    const path = join(directory, "socket");
    const pull = open(t, new Pull<number>({ gate: true }));
    for (const ends of ["unbind", "close"] as const) {
      await pull.bind(`ipc://${path}`);
      assert.deepEqual(readdirSync(directory), ["socket"]);
      await assertServed(t, path, pull);
      await (ends === "close" ? pull.close() : pull.unbind(`ipc://${path}`));
      assert.deepEqual(readdirSync(directory), []);
    }
  },
);

test(
  "socket file: a path may have the longest length that the system allows",
  onUnix,
  async (t) => {
    const directory = directoryOf(t);
    const deep = join(directory, "d".repeat(103 - 3 - directory.length));
    mkdirSync(deep);
    const pull = open(t, new Pull<number>({ gate: true }));
    await pull.bind(`ipc://${deep}/s`);
    await assertServed(t, `${deep}/s`, pull);
  },
);

test(
  "socket file: a file at a relative path is removed even after a change of the working directory",
  onUnix,
  async (t) => {
    const directory = directoryOf(t);
    const before = process.cwd();
    const pull = open(t, new Pull<number>({ gate: true }));
    process.chdir(directory);
    try {
      await pull.bind("ipc://socket");
    } finally {
      process.chdir(before);
    }
    assert.deepEqual(readdirSync(directory), ["socket"]);
    await pull.close();
    assert.deepEqual(readdirSync(directory), []);
  },
);

test("socket file: a missing directory does not prevent a close", onUnix, async (t) => {
  const directory = directoryOf(t);
  mkdirSync(join(directory, "place"));
  const pull = open(t, new Pull<number>({ gate: true }));
  await pull.bind(`ipc://${directory}/place/socket`);
  renameSync(join(directory, "place"), join(directory, "moved"));
  await pull.close();
});

for (const isTaken of [true, false]) {
  const title = isTaken ? "keeps the file of a successor" : "removes its own file";
  test(`socket file: a thread that ends ${title}`, onUnix, async (t) => {
    const path = join(directoryOf(t), "socket");
    const module = new URL("../../support/ipc-holder.ts", import.meta.url).href;
    const thread = startThread(module, path);
    t.after(() => thread.terminate());
    await once(thread, "message");
    const second = open(t, new Pull<number>({ gate: true }));
    if (isTaken) {
      rmSync(path);
      await second.bind(`ipc://${path}`);
    }
    const ended = once(thread, "exit");
    thread.postMessage("end");
    await ended;
    if (isTaken) await assertServed(t, path, second);
    else assert.equal(existsSync(path), false);
  });
}

test("socket file: a failed rename leaves nothing behind", onUnix, async (t) => {
  const directory = directoryOf(t);
  const home = directoryOf(t);
  mkdirSync(join(directory, "taken", "inside"), { recursive: true });
  const file = new SocketFile(join(directory, "taken"), home);
  const server = createServer();
  server.listen(file.draft);
  await once(server, "listening");
  assert.throws(() => file.publish(), { code: /EISDIR|ENOTEMPTY/ });
  server.close();
  await once(server, "close");
  file.remove();
  assert.deepEqual(readdirSync(directory), ["taken"]);
});

test("socket file: a private directory with too long a path is reported", onUnix, (t) => {
  const home = join(directoryOf(t), "d".repeat(100));
  mkdirSync(home);
  assert.throws(() => new SocketFile(join(home, "socket"), home), { code: "ENAMETOOLONG" });
  assert.deepEqual(readdirSync(home), []);
});
