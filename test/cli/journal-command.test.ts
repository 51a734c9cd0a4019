import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { type TestContext, test } from "node:test";
import { fileURLToPath } from "node:url";
import { FileJournal } from "../../lib/journal/file-journal.ts";

const MAIN = fileURLToPath(new URL("../../lib/cli/main.ts", import.meta.url));
const NODE_ARGS = ["--import", "tsx", MAIN, "journal"];

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

test("command: read --follow shows what another process stores", { timeout: 30_000 }, async (t) => {
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

test("command: wrong words are status 2 and say how it goes", async (t) => {
  for (const args of [[], ["erase", "x"], ["read"], ["read", "x", "--from", "soon"]]) {
    const { status, stderr } = await run(...args);
    assert.equal(status, 2, stderr);
  }
  const { status, stderr } = await run("inspect", await directory(t));
  assert.deepEqual([status, /holds no journal/.test(stderr)], [1, true]);
});

test("command: a closed pipe ends it quietly", { timeout: 30_000 }, async (t) => {
  const place = await directory(t);
  const journal = await FileJournal.open(place);
  for (let seq = 1; seq <= 20_000; seq++) journal.append(Buffer.alloc(100, 65));
  await journal.close();
  const child = spawn(process.execPath, [...NODE_ARGS, "read", place]);
  child.stdout.once("data", () => child.stdout.destroy());
  const [status] = await once(child, "exit");
  assert.equal(status, 0);
});
