import assert from "node:assert/strict";
import { test } from "node:test";
import { HolderProbes, PROBE_MS } from "../../../lib/reliable/link/holder-probes.ts";
import { ManualClock } from "../../support/manual-clock.ts";

/** A holder that counts what it is asked, and what its challengers are told. */
function probing() {
  const clock = new ManualClock();
  const holder = { asked: 0 };
  const told: string[] = [];
  const probes = new HolderProbes<typeof holder, string>(clock, (one) => {
    one.asked += 1;
  });
  const challenge = (name: string) =>
    probes.add(holder, name, (isThere) => void told.push(`${name} ${isThere}`));
  return { clock, holder, told, probes, challenge };
}

test("holder probes: a probe without a reply is repeated, and its end tells all who wait", () => {
  const { clock, holder, told, probes, challenge } = probing();
  challenge("a");
  clock.advance(PROBE_MS - 1);
  challenge("b");
  challenge("c");
  probes.withdraw("c");
  assert.deepEqual(told, []);
  assert.ok(holder.asked > 1, "one message that is lost decides");
  clock.advance(1);
  assert.deepEqual(told, ["a false", "b false"]);
});

test("holder probes: any number of challengers makes a holder reply but twice a second", () => {
  const { clock, holder, told, probes, challenge } = probing();
  for (let count = 0; count < 1_000; count++) {
    challenge(`${count}`);
    probes.replied(holder);
    clock.advance(1);
  }
  assert.equal(told.length, 1_000);
  assert.ok(told.every((text) => text.endsWith("true")));
  assert.ok(holder.asked <= 3, `${holder.asked} questions`);
});

test("holder probes: a holder that goes tells at once, and one that nobody asked tells nobody", () => {
  const { clock, told, probes, holder, challenge } = probing();
  probes.replied(holder);
  challenge("a");
  probes.gone(holder);
  assert.deepEqual(told, ["a false"]);
  challenge("b");
  probes.stop();
  clock.advance(PROBE_MS * 2);
  assert.deepEqual(told, ["a false"]);
});
