import assert from "node:assert/strict";
import { test } from "node:test";
import { Pull, Push } from "../../lib/index.ts";
import { eventually } from "../support/eventually.ts";
import { Program } from "../support/program.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";

test("zombie: the ack of a receiver that was stopped past its lease is refused, and leaseLost is emitted", {
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
  // The word that it began the first may have been stopped with it: then that attempt is not known.
  assert.ok([1, 2].includes(delivery!.attempt));
  zombie.signal("SIGCONT");
  zombie.say("ack");
  await eventually(() => assert.equal(zombie.last("acked"), "false"));
  await eventually(() => assert.equal(zombie.last("leaseLost"), "1 1"));
  assert.ok(delivery!.isHeld, "the zombie's ack took the message from the one who has it");
  assert.equal(push.stats().queuedMessages, 1, "the zombie's ack counted");
  delivery!.ack();
  await processed;
});

test("zombie: a receiver that was stopped until another had processed its message emits leaseLost", {
  timeout: WATCHDOG_MS,
}, async (t) => {
  // Its session ends while it is stopped: what it holds is claimed over a new one.
  const push = new Push<string>({ reliable: true, leaseMs: 400, graceMs: 100, heartbeatMs: 50 });
  t.after(() => push.close());
  const address = await push.bind("tcp://127.0.0.1:*");
  const zombie = new Program(t, new URL("zombie-receiver.ts", import.meta.url));
  await zombie.start([address]);
  const processed = push.send("work", { confirm: "processed" });
  await eventually(() => assert.equal(zombie.last("took"), "work"));
  zombie.signal("SIGSTOP");
  await eventually(() => assert.equal(push.stats().peers, 0));
  const pull = new Pull<string>({ reliable: true });
  t.after(() => pull.close());
  pull.connect(address);
  for await (const delivery of pull.deliveries()) {
    assert.equal(delivery.value, "work");
    delivery.ack();
    break;
  }
  await processed;
  zombie.signal("SIGCONT");
  await eventually(() => assert.equal(zombie.last("leaseLost"), "1 1"));
  zombie.say("ack");
  await eventually(() => assert.equal(zombie.last("acked"), "false"));
});
