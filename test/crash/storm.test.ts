import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { Pull, Push } from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";
import { eventually } from "../support/eventually.ts";
import { Program } from "../support/program.ts";
import { Random } from "../support/random.ts";
import { TcpProxy } from "../support/tcp-proxy.ts";
import { World } from "../support/world.ts";

/** Blows of each storm: a kill, a stop, or a reset of all connections (count). */
const BLOWS = Number(process.env.BROKERLESS_BLOWS ?? 8);
const SEED = Number(process.env.BROKERLESS_SEED ?? Math.floor(Math.random() * 2 ** 31));
/** Only a hang reaches it (milliseconds). */
const WATCHDOG_MS = 120_000 + BLOWS * 4_000;
const COUNT = 2_000 + BLOWS * 200;
/** A stop is shorter than every lease (milliseconds). */
const STOP_MS_MAX = 400;

interface Member {
  readonly program: Program;
  readonly args: () => readonly string[];
}

interface Storm {
  readonly senders: readonly Program[];
  readonly receivers: readonly Program[];
  /** What happened, in order. */
  effects(): Promise<string[]>;
}

/** Senders behind proxies, receivers connected to all of them, and blows while they work. */
async function storm(
  t: TestContext,
  options: { readonly senders: number; readonly inbox: boolean; readonly rules: object },
): Promise<Storm> {
  const world = new World(t);
  const random = new Random(SEED);
  const effects = join(world.directory(), "effects");
  const proxies: TcpProxy[] = [];
  const members: Member[] = [];
  const rules = JSON.stringify({ countMax: COUNT, ...options.rules });
  for (let index = 0; index < options.senders; index++) {
    const program = new Program(t, new URL("storm-sender.ts", import.meta.url));
    const directory = world.directory();
    const bound = await program.start([directory, "tcp://127.0.0.1:*", `s${index}`, rules]);
    const proxy = await TcpProxy.to(bound);
    t.after(() => proxy.close());
    proxies.push(proxy);
    members.push({ program, args: () => [directory, bound, `s${index}`, rules] });
  }
  // What a receiver had done and not acknowledged when it was killed may go to another, whose inbox does not know it.
  const inboxes = options.inbox ? [world.directory()] : ["", ""];
  for (const inbox of inboxes) {
    const program = new Program(t, new URL("storm-receiver.ts", import.meta.url));
    const args = [inbox, effects, ...proxies.map(({ address }) => address)];
    await program.start(args);
    members.push({ program, args: () => args });
  }
  for (let blow = 0; blow < BLOWS; blow++) {
    // A random moment of the work is what is tested, not a time to wait for something.
    await delay(random.below(300));
    const { program, args } = members[random.below(members.length)]!;
    const roll = random.next();
    if (roll < 0.3) for (const proxy of proxies) proxy.reset();
    else if (roll < 0.6) {
      program.signal("SIGSTOP");
      await delay(random.below(STOP_MS_MAX));
      program.signal("SIGCONT");
    } else {
      await program.kill();
      await program.start(args());
    }
  }
  const programs = members.map(({ program }) => program);
  const senders = programs.slice(0, options.senders);
  const receivers = programs.slice(options.senders);
  return {
    senders,
    receivers,
    effects: async () => {
      if (!options.inbox) return existsSync(effects) ? readLines(effects) : [];
      return (await Promise.all(inboxes.map(readInbox))).flat();
    },
  };
}

function readLines(file: string): string[] {
  return readFileSync(file, "utf8").split("\n").slice(0, -1);
}

async function readInbox(directory: string): Promise<string[]> {
  const journal = await FileJournal.open(directory);
  const effects: string[] = [];
  for await (const { value } of journal.read()) {
    effects.push(Buffer.from(value).toString().split(" ")[1]!);
  }
  await journal.close();
  return effects;
}

/** Counts from outside, by unique values. */
function verdict(effects: readonly string[], senders: number) {
  const seen = new Set<string>();
  const newest = new Map<string, number>();
  const counts = { lost: 0, duplicates: 0, disordered: 0 };
  for (const effect of effects) {
    const [name, number] = effect.split("-") as [string, string];
    if (seen.has(effect)) counts.duplicates += 1;
    else if (Number(number) < (newest.get(name) ?? 0)) counts.disordered += 1;
    newest.set(name, Math.max(Number(number), newest.get(name) ?? 0));
    seen.add(effect);
  }
  for (let sender = 0; sender < senders; sender++) {
    for (let value = 1; value <= COUNT; value++) {
      if (!seen.has(`s${sender}-${value}`)) counts.lost += 1;
    }
  }
  return counts;
}

async function allSent(senders: readonly Program[]): Promise<void> {
  await eventually(() => {
    for (const sender of senders)
      assert.ok(Number(sender.last("stored")) >= COUNT, "still sending");
  }, WATCHDOG_MS);
}

test(`storm: with an inbox nothing is lost and no effect repeated (seed ${SEED})`, {
  timeout: WATCHDOG_MS * 2,
}, async (t) => {
  const rules = { graceMs: 120_000, leaseMs: 120_000 };
  const { senders, receivers, effects } = await storm(t, { senders: 2, inbox: true, rules });
  await allSent(senders);
  // The senders have said all: what is still on its way is seen when it stops coming.
  await settle(senders);
  for (const receiver of receivers) await receiver.kill();
  const { disordered, ...counts } = verdict(await effects(), 2);
  t.diagnostic(
    `${COUNT * 2} messages, ${BLOWS} blows: ${JSON.stringify(counts)}, ${disordered} overtaken`,
  );
  assert.deepEqual(counts, { lost: 0, duplicates: 0 });
});

test(`storm: exclusive receivers lose nothing and keep order (seed ${SEED})`, {
  timeout: WATCHDOG_MS * 2,
}, async (t) => {
  const rules = { exclusive: true, graceMs: 500, leaseMs: 10_000 };
  const { senders, effects } = await storm(t, { senders: 1, inbox: false, rules });
  await allSent(senders);
  await settle(senders);
  const counts = verdict(await effects(), 1);
  t.diagnostic(`${COUNT} messages, ${BLOWS} blows: ${JSON.stringify(counts)}`);
  assert.deepEqual({ ...counts, duplicates: 0 }, { lost: 0, duplicates: 0, disordered: 0 });
});

/** Waits until the senders say that all is settled. */
async function settle(senders: readonly Program[]): Promise<void> {
  await eventually(() => {
    for (const sender of senders)
      assert.equal(sender.last("settled"), String(COUNT), "not settled");
  }, WATCHDOG_MS);
}

test("storm: a receiver that was stopped past its lease has its ack refused, and is told", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  const push = new Push<string>({ reliable: true, leaseMs: 300, attemptsMax: 5 });
  t.after(() => push.close());
  const address = await push.bind("tcp://127.0.0.1:*");
  const zombie = new Program(t, new URL("zombie-receiver.ts", import.meta.url));
  await zombie.start([address]);
  const processed = push.send("work", { confirm: "processed" });
  await eventually(() => assert.equal(zombie.last("took"), "work"));
  zombie.signal("SIGSTOP");
  const pull = new Pull<string>({ reliable: true });
  t.after(() => pull.close());
  pull.connect(address);
  const { value: delivery } = await pull.deliveries().next();
  assert.equal(delivery!.attempt, 2);
  zombie.signal("SIGCONT");
  zombie.say("ack");
  await eventually(() => assert.equal(zombie.last("acked"), "false"));
  await eventually(() => assert.equal(zombie.last("leaseLost"), "1 1"));
  assert.ok(delivery!.isHeld, "the zombie's ack took the message from the one who has it");
  assert.equal(push.stats().queuedMessages, 1, "the zombie's ack counted");
  delivery!.ack();
  await processed;
});
