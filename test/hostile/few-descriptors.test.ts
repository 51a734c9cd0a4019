/** More connections than a process has file descriptors for: libzmq ends it over ipc, and must not with us. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { Push } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/fixtures.ts";

const PROGRAM = fileURLToPath(new URL("programs/bound.ts", import.meta.url));
const DESCRIPTORS_MAX = 256;
const CONNECTIONS = 300;

/** A program that may have few descriptors, and an address of its own. */
async function start(t: TestContext, whose: string, address: string) {
  const command = `ulimit -n ${DESCRIPTORS_MAX}; exec "$@"`;
  const node = [process.execPath, "--import", "tsx", PROGRAM, whose, address];
  const child = spawn("bash", ["-c", command, "bash", ...node], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  child.stdin.on("error", () => {});
  let errors = "";
  child.stderr.on("data", (bytes: Buffer) => {
    errors += bytes;
  });
  const ended = once(child, "close").then(([code, signal]) => ({ code, signal, errors }));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  await eventually(() => assert.match(lines[0] ?? "", /^start /, errors));
  return { child, ended, lines, address: lines[0]!.slice("start ".length) };
}

type Victim = Awaited<ReturnType<typeof start>>;

const isOver = ({ child }: Victim): boolean => child.exitCode !== null || child.signalCode !== null;

/** Silent connections to a program, as many as it takes. */
async function crowd(t: TestContext, victim: Victim): Promise<Socket[]> {
  const { hostname, port } = new URL(victim.address);
  const place = victim.address.startsWith("ipc:")
    ? { path: victim.address.slice("ipc://".length) }
    : { host: hostname, port: Number(port) };
  const sockets: Socket[] = [];
  t.after(() => sockets.forEach((socket) => void socket.destroy()));
  while (sockets.length < CONNECTIONS && !isOver(victim)) {
    const socket = connect(place);
    // Over ipc a queue of connections that is full refuses the next one at once (EAGAIN): try that again.
    const connected = await new Promise<boolean>((resolve) => {
      socket.on("error", () => resolve(false)).once("connect", () => resolve(true));
    });
    if (connected) sockets.push(socket);
  }
  return sockets;
}

const onLinux = { skip: process.platform !== "linux" };

function path(t: TestContext): string {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true, force: true }));
  return `ipc://${directory}/socket`;
}

const PLACES: Readonly<Record<string, (t: TestContext) => string>> = {
  "tcp, gated": () => "tcp://127.0.0.1:*",
  tcp: () => "tcp://127.0.0.1:*",
  ipc: path,
};

for (const [name, place] of Object.entries(PLACES)) {
  test(
    `few descriptors: ${name}: the process survives, and serves later connections`,
    onLinux,
    async (t) => {
      const victim = await start(t, name === "tcp, gated" ? "gated" : "ours", place(t));
      const strangers = await crowd(t, victim);
      victim.child.stdin.write("are you there?\n");
      await eventually(() => assert.ok(victim.lines.includes("alive")));
      for (const stranger of strangers) stranger.destroy();
      const push = open(t, new Push<number>());
      push.connect(victim.address);
      await push.send(1);
      await eventually(() => assert.ok(victim.lines.includes("got a message")));
      assert.equal(victim.child.exitCode ?? victim.child.signalCode, null);
    },
  );
}

test("few descriptors: control: zeromq.js over ipc is aborted", onLinux, async (t) => {
  const victim = await start(t, "bare", path(t));
  await crowd(t, victim);
  const { signal, errors } = await victim.ended;
  assert.equal(signal, "SIGABRT", errors);
  assert.match(errors, /Too many open files/);
});
