import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { PassThrough, Writable } from "node:stream";
import { type TestContext, test } from "node:test";
import { parseCommand } from "../../lib/cli/arguments.ts";
import { runJournalCommand } from "../../lib/cli/journal-command.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { compiledCommand } from "../support/command.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

const MAIN = compiledCommand();
const NODE_ARGS = [MAIN, "journal"];

async function directory(t: TestContext): Promise<string> {
  const path = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(path, { recursive: true }));
  return path;
}

async function run(...args: string[]) {
  const child = spawn(process.execPath, [...NODE_ARGS, ...args]);
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk) => {
      text[name] += chunk;
    });
  }
  const [status] = await once(child, "close");
  return { status: status as number, ...text };
}

test("command: inspect, verify and read show a journal that is being written", async (t) => {
  const place = await directory(t);
  await using journal = await FileJournal.open(place);
  await journal.append([Buffer.from("a"), { value: Buffer.from([0xff]), key: "k" }]);
  await journal.append(Buffer.from("c"));
  await journal.sync();
  const read = await run("read", place, "--from", "2");
  assert.equal(read.stderr, "");
  assert.deepEqual(
    read.stdout
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line)),
    [
      { seq: 2, key: "k", base64: "/w==" },
      { seq: 3, text: "c" },
    ],
  );
  const inspect = JSON.parse((await run("inspect", place, "--json")).stdout);
  assert.deepEqual([inspect.stream, inspect.seqFirst, inspect.seqStored], [journal.stream, 1, 3]);
  const verify = await run("verify", place);
  assert.deepEqual([verify.status, /nothing is damaged/.test(verify.stdout)], [0, true]);
});

test("command: read writes nothing that a terminal obeys, and all of it can be read back", async (t) => {
  const place = await directory(t);
  const odd = "\u0007\u001b[2J\u009b2J\u007f\u202e\u2066\u2028\u{e0041}\u200d é 🙂";
  const journal = await FileJournal.open(place);
  await journal.append([{ value: Buffer.from(odd), key: odd }]);
  await journal.close();
  const { stdout } = await run("read", place);
  assert.doesNotMatch(stdout.slice(0, -1), /[\p{Cc}\p{Cf}\u2028\u2029]/u);
  assert.match(stdout, /é 🙂/);
  assert.deepEqual(JSON.parse(stdout), { seq: 1, key: odd, text: odd });
  // Negative control: what JSON alone escapes.
  assert.match(JSON.stringify(odd), /\u009b/);
});

test("command: an error repeats a name without what a terminal obeys", async () => {
  const { status, stderr } = await run("read", "/nowhere/\u009b2J\u202e");
  assert.equal(status, 1);
  const told = "read the journal in /nowhere/·2J·: there is no such directory";
  assert.equal(stderr, `BROKERLESS_JOURNAL_FAILED: ${told}\n`);
  const repair = await run("repair", "/nowhere/mistyped");
  assert.match(repair.stderr, /mistyped: there is no such directory\n$/);
});

test("command: read --follow shows what another process stores", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const place = await directory(t);
  await using journal = await FileJournal.open(place);
  await journal.append(Buffer.from("1"));
  const child = spawn(process.execPath, [...NODE_ARGS, "read", place, "--follow"]);
  t.after(() => child.kill());
  const lines = createInterface({ input: child.stdout });
  const seqs: number[] = [];
  for await (const line of lines) {
    seqs.push(JSON.parse(line).seq);
    if (seqs.length === 5) break;
    await journal.append(Buffer.from("more"));
  }
  assert.deepEqual(seqs, [1, 2, 3, 4, 5]);
});

test("command: verify finds damage, and repair keeps the rest", async (t) => {
  const place = await directory(t);
  const journal = await FileJournal.open(place, { batchBytesMax: 256 });
  for (let seq = 1; seq <= 30; seq++) await journal.append(Buffer.alloc(100, seq));
  const locked = await run("repair", place);
  assert.equal(locked.status, 1);
  assert.match(locked.stderr, new RegExp(`BROKERLESS_LOCKED.*process ${process.pid}`));
  await journal.close();
  const path = join(place, "0000000001.segment");
  const bytes = await readFile(path);
  await writeFile(path, bytes.fill(1, 1000, 1100));
  const verify = await run("verify", place, "--json");
  assert.equal(verify.status, 1);
  assert.equal(JSON.parse(verify.stdout).ok, false);
  const repair = await run("repair", place, "--json");
  const report = JSON.parse(repair.stdout);
  assert.equal(repair.status, 1);
  assert.equal(report.lost.length, 1);
  const [{ seqFirst, seqLast }] = report.lost;
  assert.equal(report.entriesKept, 30 - (seqLast - seqFirst + 1));
  assert.equal((await run("verify", place)).status, 0);
});

test("command: backup copies a journal whose owner runs", async (t) => {
  const place = await directory(t);
  await using journal = await FileJournal.open(join(place, "j"));
  await journal.append([Buffer.from("a"), Buffer.from("b")]);
  await journal.sync();
  const made = await run("backup", join(place, "j"), join(place, "copy"));
  assert.deepEqual([made.status, made.stderr], [0, ""]);
  assert.match(
    made.stdout,
    /^stream [0-9a-f]{32}, seq 1 to 2\n2 entries in .*\nnothing is damaged\n$/,
  );
  await using copy = await FileJournal.open(join(place, "copy"));
  assert.deepEqual([copy.stream, copy.seqStored], [journal.stream, 2]);
  assert.equal((await run("backup", join(place, "j"))).status, 2);
  assert.equal((await run("backup", join(place, "j"), join(place, "copy"))).status, 1);
});

test("command: read from the start goes on behind what is freed meanwhile, and says so; from a seq it ends", async (t) => {
  for (const from of ["start", "1"]) {
    const place = await directory(t);
    await using journal = await FileJournal.open(place, { segmentBytes: 4096 });
    for (let seq = 1; seq <= 10; seq++) await journal.append(Buffer.alloc(4096, 65));
    await journal.sync();
    const seqs: number[] = [];
    const out = new Writable({
      highWaterMark: 1,
      write(chunk, _encoding, done) {
        seqs.push(JSON.parse(String(chunk)).seq);
        void journal.truncateBefore(seqs.length === 1 ? 8 : 1).then(() => done());
      },
    });
    const errors = new PassThrough();
    const command = parseCommand(["journal", "read", place, "--from", from]);
    assert.ok(command.topic === "journal");
    const running = runJournalCommand(command, out, errors);
    if (from === "start") {
      assert.equal(await running, 0);
      assert.deepEqual(seqs, [1, 8, 9, 10]);
      assert.equal(String(errors.read()), "seq 2 to 7 were freed while the journal was read\n");
    } else {
      await assert.rejects(running, /read from seq 2, and the journal keeps 8 and later ones only/);
    }
  }
});

test("command: wrong words are status 2 and say how it goes", async (t) => {
  for (const args of [[], ["erase", "x"], ["read"], ["read", "x", "--from", "soon"]]) {
    const { status, stderr } = await run(...args);
    assert.equal(status, 2, stderr);
  }
  const { status, stderr } = await run("inspect", await directory(t));
  assert.deepEqual([status, /holds no journal/.test(stderr)], [1, true]);
});

test("command: a closed pipe ends it quietly", { timeout: WATCHDOG_MS }, async (t) => {
  const place = await directory(t);
  const journal = await FileJournal.open(place);
  for (let seq = 1; seq <= 20_000; seq++) journal.append(Buffer.alloc(100, 65));
  await journal.close();
  const child = spawn(process.execPath, [...NODE_ARGS, "read", place]);
  child.stdout.once("data", () => child.stdout.destroy());
  const [status] = await once(child, "exit");
  assert.equal(status, 0);
});
