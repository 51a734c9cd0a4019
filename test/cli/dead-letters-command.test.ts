import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { test } from "node:test";
import { type Codec, json, msgpack, Pull, Push, type RejectOptions, raw } from "../../lib/index.ts";
import { compiledCommand } from "../support/command.ts";
import { eventually } from "../support/eventually.ts";
import { range, take } from "../support/fixtures.ts";
import { World } from "../support/world.ts";

const MAIN = compiledCommand();

async function run(...args: string[]) {
  const child = spawn(process.execPath, [MAIN, "dead-letters", ...args]);
  const text = { stdout: "", stderr: "" };
  for (const name of ["stdout", "stderr"] as const) {
    child[name].setEncoding("utf8").on("data", (chunk) => {
      text[name] += chunk;
    });
  }
  const [status] = await once(child, "close");
  return { status: status as number, ...text };
}

/** A journal whose owner has ended, with the values 0 to 4, of which 1, 2 and 4 are dead. */
async function deadJournal(
  world: World,
  codec: Codec<never> = msgpack(),
  options: RejectOptions = {},
): Promise<string> {
  const directory = world.directory();
  const journal = await world.journal(directory);
  const sender = new Push<unknown>({ journal, codec: codec as Codec<unknown> });
  const receiver = new Pull<unknown>({ reliable: true, codec: codec as Codec<unknown> });
  receiver.connect(await sender.bind("tcp://127.0.0.1:*"));
  const value = (index: number) => (codec.name === "raw" ? Buffer.of(index) : { index });
  const sent = range(5).map((index) => sender.send(value(index), { confirm: "processed" }));
  const outcomes = Promise.allSettled(sent);
  void receiver.run((_, delivery) => {
    if ([2, 3, 5].includes(delivery.seq)) delivery.reject(`no ${delivery.seq}\u202e`, options);
  });
  await outcomes;
  await receiver.close();
  await sender.close();
  await journal.close();
  return directory;
}

/** The dead letters of a journal, and what a receiver gets from it, when its owner runs again. */
async function reopen(world: World, directory: string, count: number) {
  const journal = await world.journal(directory);
  const sender = world.socket(new Push<{ readonly index: number }>({ journal, graceMs: 10 }));
  const receiver = world.socket(new Pull<{ readonly index: number }>({ reliable: true }));
  receiver.connect(await sender.bind("tcp://127.0.0.1:*"));
  const dead: number[] = [];
  for await (const { seq } of sender.deadLetters) dead.push(seq);
  return { dead, got: (await take(receiver, count)).map(({ index }) => index) };
}

test("dead-letters: list shows what was given up, and why", async (t) => {
  const world = new World(t);
  const error = Object.assign(new RangeError("too far\u001b[31m"), { code: "EFAR" });
  const directory = await deadJournal(world, msgpack(), { error });
  const { status, stdout, stderr } = await run("list", directory);
  assert.deepEqual([status, stderr], [0, ""]);
  const lines = stdout.trimEnd().split("\n");
  assert.equal(lines.length, 3);
  const why = String.raw`no 2\u202e: RangeError [EFAR]: too far\u001b[31m`;
  const [seq, id, attempts, times, ...rest] = lines[0]!.split("  ");
  assert.deepEqual([seq, attempts, ...rest], ["seq 2", "attempts 1", why, '{"index":1}']);
  assert.match(id!, /^id [0-9a-f]{32}-[0-9a-f]{8}-2$/);
  assert.match(times!, /^\d{4}-\S*Z to \d{4}-\S*Z$/);
  const letters = (await run("list", directory, "--json")).stdout.trimEnd().split("\n");
  const [first, , last] = letters.map((line) => JSON.parse(line));
  const keys = ["seq", "id", "attempts", "reason", "error", "firstAttemptAt", "deadAt", "value"];
  assert.deepEqual(Object.keys(first), keys);
  const message = String.raw`too far\u001b[31m`;
  assert.deepEqual(first.error, { name: "RangeError", message, code: "EFAR" });
  assert.equal(`${first.firstAttemptAt} to ${first.deadAt}`, times);
  assert.ok(first.firstAttemptAt <= first.deadAt);
  assert.deepEqual([first.seq, first.attempts, first.value], [2, 1, { index: 1 }]);
  assert.equal(`id ${first.id}`, id);
  assert.equal(last.reason, String.raw`no 5\u202e`);
});

test("dead-letters: headers are shown as they were sent, and nothing where there were none", async (t) => {
  const world = new World(t);
  const directory = world.directory();
  const journal = await world.journal(directory);
  const sender = new Push<string>({ journal });
  const receiver = new Pull<string>({ reliable: true });
  receiver.connect(await sender.bind("tcp://127.0.0.1:*"));
  const headers = { traceparent: "00-ab\u001b[2J", tenant: "x".repeat(300) };
  const outcomes = Promise.allSettled([
    sender.send("with", { headers, confirm: "processed" }),
    sender.send("without", { confirm: "processed" }),
  ]);
  void receiver.run((_, delivery) => delivery.reject("no"));
  await outcomes;
  for (const each of [receiver, sender, journal]) await each.close();
  const letters = (await run("list", directory, "--json")).stdout.trimEnd().split("\n");
  const shown = letters.map((line) => JSON.parse(line));
  assert.deepEqual(shown[0].headers, headers);
  assert.ok(!("headers" in shown[1]));
  const [first, second] = (await run("list", directory)).stdout.trimEnd().split("\n");
  const [text, value] = first!.split("  ").slice(-2);
  assert.ok(text!.startsWith(String.raw`headers {"traceparent":"00-ab\u001b[2J","tenant":"xxx`));
  assert.ok(text!.endsWith("...") && text!.length === "headers ".length + 200, text);
  assert.equal(value, '"with"');
  assert.deepEqual(second!.split("  ").slice(-2), ["no", '"without"']);
});

test("dead-letters: values of each codec are shown", async (t) => {
  const world = new World(t);
  const shown = async (codec: Codec<never>) => {
    const { stdout } = await run("list", await deadJournal(world, codec), "--json");
    const { value, base64 } = JSON.parse(stdout.split("\n")[0]!);
    return { value, base64 };
  };
  assert.deepEqual(await shown(json()), { value: { index: 1 }, base64: undefined });
  assert.deepEqual(await shown(raw() as Codec<never>), { value: undefined, base64: "AQ==" });
});

test("dead-letters: requeue sends one anew when the owner runs again, and leaves the others", async (t) => {
  const world = new World(t);
  const directory = await deadJournal(world);
  assert.deepEqual(await run("requeue", directory, "3"), {
    status: 0,
    stdout: "requeued 1\n",
    stderr: "",
  });
  assert.match((await run("list", directory)).stdout, /^seq 2 .*\nseq 5 .*\n$/);
  const { dead, got } = await reopen(world, directory, 1);
  assert.deepEqual(dead, [2, 5]);
  assert.deepEqual(got, [2]);
});

test("dead-letters: requeue takes ids, and all", async (t) => {
  const world = new World(t);
  const directory = await deadJournal(world);
  const letters = (await run("list", directory, "--json")).stdout.trimEnd().split("\n");
  const ids = letters.slice(1).map((line) => JSON.parse(line).id as string);
  assert.equal((await run("requeue", directory, ...ids)).stdout, "requeued 2\n");
  const all = await run("requeue", directory, "--all", "--json");
  assert.equal(all.stdout, '{"requeued":1}\n');
  assert.equal((await run("list", directory)).stdout, "no dead letters\n");
  assert.equal((await run("requeue", directory, "--all")).stdout, "requeued 0\n");
  const { dead, got } = await reopen(world, directory, 3);
  assert.deepEqual(dead, []);
  assert.deepEqual(got, [2, 4, 1]);
});

test("dead-letters: purge forgets for good", async (t) => {
  const world = new World(t);
  const directory = await deadJournal(world);
  assert.equal((await run("purge", directory, "2", "--json")).stdout, '{"purged":1}\n');
  assert.equal((await run("purge", directory, "--all")).stdout, "purged 2\n");
  assert.equal((await run("list", directory, "--json")).stdout, "");
  const sender = world.socket(new Push({ journal: await world.journal(directory) }));
  assert.equal(sender.deadLetters.count, 0);
  await eventually(() => assert.equal(sender.stats().queuedMessages, 0));
});

test("dead-letters: a letter that is not there is named, and nothing is done", async (t) => {
  const world = new World(t);
  const directory = await deadJournal(world);
  for (const name of ["1", "99", `${"0".repeat(32)}-1-2`]) {
    const { status, stdout, stderr } = await run("requeue", directory, "2", name);
    assert.deepEqual([status, stdout], [1, ""]);
    assert.equal(stderr, `there is no dead letter ${name}; list shows those that there are\n`);
  }
  assert.match((await run("list", directory)).stdout, /^seq 2 .*\nseq 3 .*\nseq 5 .*\n$/);
});

test("dead-letters: while the owner runs it is told whom to end", async (t) => {
  const world = new World(t);
  const directory = world.directory();
  await world.journal(directory);
  for (const args of [["list"], ["purge", "--all"]]) {
    const { status, stderr } = await run(args[0]!, directory, ...args.slice(1));
    assert.equal(status, 1);
    assert.match(stderr, new RegExp(`^BROKERLESS_LOCKED: .*process ${process.pid} .*end that`));
  }
});

test("dead-letters: what is no journal is said to be none, and not made one", async (t) => {
  const world = new World(t);
  const directory = world.directory();
  const empty = await run("list", directory);
  assert.deepEqual([empty.status, /holds no journal/.test(empty.stderr)], [1, true]);
  const missing = await run("purge", join(directory, "none"), "--all");
  assert.equal(missing.status, 1);
  assert.match(missing.stderr, /^BROKERLESS_JOURNAL_FAILED: /);
  assert.equal(existsSync(join(directory, "none")), false);
});

test("dead-letters: a state that cannot be read is said to be damaged", async (t) => {
  const world = new World(t);
  const directory = world.directory();
  const journal = await world.journal(directory);
  await journal.append(Buffer.from("x"), { values: { delivery: Buffer.of(255) } });
  await journal.close();
  const { status, stderr } = await run("purge", directory, "--all");
  assert.equal(status, 1);
  assert.match(stderr, /^BROKERLESS_CORRUPT: /);
});

test("dead-letters: wrong words are status 2, and change nothing", async (t) => {
  const world = new World(t);
  const directory = await deadJournal(world);
  for (const args of [
    [],
    ["list"],
    ["erase", directory],
    ["purge", directory],
    ["requeue", directory, "2", "--all"],
    ["list", directory, "2"],
    ["requeue", directory, "two"],
    ["list", directory, "--follow"],
  ]) {
    const { status, stderr } = await run(...args);
    assert.equal(status, 2, `${args}: ${stderr}`);
  }
  assert.equal((await run("list", directory)).stdout.split("\n").length, 4);
});
