import assert from "node:assert/strict";
import { test } from "node:test";
import { setTimeout as delay } from "node:timers/promises";
import { gate } from "../support/fixtures.ts";
import { besiege } from "./siege.ts";

/** The fault: for so long the victim serves nobody (milliseconds). */
const PAUSE_MS = 2000;

test("siege: control: a victim that does not serve its honest peer is detected", async () => {
  const over = gate();
  let exchanges = 0;
  const exchange = async (): Promise<void> => {
    exchanges += 1;
    if (exchanges === 10) await delay(PAUSE_MS);
    if (exchanges === 20) over.open();
  };
  // What a busy machine takes away of the pause is not counted.
  const outcome = await besiege({ exchange }, async () => {
    await over.promise;
    return undefined;
  });
  assert.ok(outcome.silenceMs > PAUSE_MS / 10, `silent for ${outcome.silenceMs} ms`);
});
