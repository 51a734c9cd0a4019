/** The ids that libzmq gives to nameless peers of a ROUTER: who takes the next one ends the process. */
import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import * as zmq from "zeromq";
import { generateKeyPair, Router, raw } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { open } from "../support/fixtures.ts";
import { frame, greeting, property, ready } from "../support/zmtp-frames.ts";
import { ZmtpPeer } from "../support/zmtp-peer.ts";

const PROGRAM = fileURLToPath(new URL("programs/router.ts", import.meta.url));
/** What libzmq begins with in a process that draws no other number. */
const FIRST = 0x6b8b4567;

async function start(t: TestContext, whose: "ours" | "bare") {
  const child = spawn(process.execPath, ["--import", "tsx", PROGRAM, whose], {
    stdio: ["pipe", "pipe", "pipe"],
  });
  t.after(() => child.kill("SIGKILL"));
  child.stdin.on("error", () => {});
  let errors = "";
  child.stderr.on("data", (bytes: Buffer) => {
    errors += bytes;
  });
  const ended = once(child, "close").then(([, signal]) => ({ signal: signal as string, errors }));
  const lines: string[] = [];
  createInterface({ input: child.stdout }).on("line", (line) => lines.push(line));
  const said = (word: string): Promise<string> =>
    eventually(() => {
      const line = lines.find((each) => each.startsWith(word));
      assert.notEqual(line, undefined, `${word}: ${errors}`);
      return line!.slice(word.length + 1);
    });
  return { child, ended, said, address: await said("start") };
}

async function join(t: TestContext, address: string, ...identity: Buffer[]): Promise<ZmtpPeer> {
  const peer = await ZmtpPeer.connect(address);
  t.after(() => peer.destroy());
  await peer.write(Buffer.concat([greeting(), ready("DEALER", ...identity)]));
  await peer.receiveCommand();
  return peer;
}

/** Some peers that have taken the next ids of the first ROUTER of a process, and one without a name. */
async function attack(t: TestContext, address: string): Promise<void> {
  for (let next = 1; next < 9; next++) {
    const id = Buffer.alloc(5);
    id.writeUInt32BE(FIRST + next, 1);
    const peer = await join(t, address, property("Identity", id));
    await peer.write(frame("here"));
  }
  await (await join(t, address)).write(frame("here"));
}

async function firstNameless(t: TestContext, whose: "ours" | "bare"): Promise<string> {
  const { said, address, child } = await start(t, whose);
  await (await join(t, address)).write(frame("hello"));
  const id = await said("peer");
  child.kill();
  return id;
}

test("router ids: the first nameless peer has a different id in every process", async (t) => {
  const ids = await Promise.all([1, 2, 3].map(() => firstNameless(t, "ours")));
  assert.ok(new Set(ids).size > 1, ids.join());
});

test("router ids: control: with zeromq.js it has the same id in every process", async (t) => {
  const expected = `#00${FIRST.toString(16)}`;
  assert.deepEqual(await Promise.all([1, 2].map(() => firstNameless(t, "bare"))), [
    expected,
    expected,
  ]);
});

test("router ids: a peer that chooses the usual next ids does not end the process", async (t) => {
  const victim = await start(t, "ours");
  await (await join(t, victim.address)).write(frame("hello"));
  await victim.said("peer");
  await attack(t, victim.address);
  victim.child.stdin.write("are you there?\n");
  await victim.said("alive");
});

test("router ids: control: it ends a process with zeromq.js", async (t) => {
  const victim = await start(t, "bare");
  await (await join(t, victim.address)).write(frame("hello"));
  await victim.said("peer");
  await attack(t, victim.address).catch(() => {});
  const { signal, errors } = await victim.ended;
  assert.equal(signal, "SIGABRT", errors);
});

test("router ids: with CURVE the router assigns the ids of its peers, and ignores their own", async (t) => {
  const [server, client] = [generateKeyPair(), generateKeyPair()];
  const name = async (isSecured: boolean): Promise<string> => {
    // libzmq reads an id only in an answer that it has begun to wait for. Its one thread for connections has asked, and
    // greets another peer after that.
    const allow = async (key: string): Promise<boolean> => {
      const other = await ZmtpPeer.connect(address);
      t.after(() => other.destroy());
      await other.write(greeting({ mechanism: "CURVE" }));
      await other.greeted();
      assert.equal(other.closed, false, "not greeted");
      return key === client.publicKey;
    };
    const security = isSecured ? { ...server, allow } : undefined;
    const router = open(t, new Router<Uint8Array>({ codec: raw(), batch: false, security }));
    const dealer = new zmq.Dealer({ linger: 0, routingId: "till-7" });
    t.after(() => dealer.close());
    if (isSecured) {
      dealer.curvePublicKey = client.publicKey;
      dealer.curveSecretKey = client.secretKey;
      dealer.curveServerKey = server.publicKey;
    }
    const address = await router.bind("tcp://127.0.0.1:*");
    dealer.connect(address);
    await dealer.send("hello");
    const { peer } = await router.receive();
    await router.send(peer, Buffer.from("answer"));
    assert.equal(String(await dealer.receive()), "answer");
    return peer;
  };
  assert.equal(await name(false), "till-7");
  const [first, second] = [await name(true), await name(true)];
  for (const id of [first, second]) {
    assert.notEqual(id, "till-7");
    assert.doesNotMatch(id, /^#00/);
  }
  assert.notEqual(first, second);
});
