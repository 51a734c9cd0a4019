import assert from "node:assert/strict";
import { test } from "node:test";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";
import { RELIABLE_SEND_DEFAULTS } from "../../lib/reliable/reliable-options.ts";
import { Place, type PlaceReceiver, type PlaceSender } from "../support/place.ts";

/** More than is suspected after any one death (count), in batches of some hundred. */
const MESSAGES = 6_000;
const BYTES = 512;
/** Behind many more than are suspected at a time (index). */
const POISON = 4_000;
const POISON_BYTE = 1;
const RULES = { ...RELIABLE_SEND_DEFAULTS, attemptsMax: 2 };
/** Deaths that it takes to know what to suspect (count). */
const DEATHS_TO_FIND = 3;
const LIVES_MAX = 10;

/**
 * Handles all that there is in one turn, but for a message that kills the process at once: what was said before
 * arrives.
 *
 * @returns whether it lives
 */
async function live(place: Place, receiver: PlaceReceiver): Promise<boolean> {
  let lives = true;
  const messages = receiver.inbound.values();
  void (async () => {
    for await (const [byte] of messages) {
      if (byte !== POISON_BYTE) continue;
      lives = false;
      receiver.links.abandon();
      return;
    }
  })();
  await place.carry();
  return lives;
}

async function filled(place: Place): Promise<PlaceSender> {
  const sender = place.sender(new MemoryJournal(), RULES);
  for (let index = 0; index < MESSAGES; index++) {
    const message = new Uint8Array(BYTES).fill(index === POISON ? POISON_BYTE : 0);
    void sender.send(message, null, undefined);
  }
  await place.carry();
  return sender;
}

test("watched: what kills in the middle of a long turn is found after three deaths", async () => {
  const place = new Place();
  const sender = await filled(place);
  let deaths = 0;
  for (let lives = 0; lives < LIVES_MAX && sender.links.dispatcher.dead.count === 0; lives++) {
    const receiver = await place.receiver();
    if (await live(place, receiver)) break;
    deaths += 1;
    await place.dies(receiver);
  }
  assert.equal(sender.links.dispatcher.dead.count, 1);
  assert.ok(sender.links.dispatcher.deathOf(POISON + 1) !== null);
  assert.equal(deaths, DEATHS_TO_FIND + RULES.attemptsMax);
});

test("watched: nothing is said in the middle of a turn while nobody has died", async () => {
  const place = new Place();
  const sender = await filled(place);
  const said: string[] = [];
  const onMessage = sender.links.onMessage.bind(sender.links);
  const receiver = await place.receiver();
  sender.links.onMessage = (peer, parts) => {
    said.push(parts[0]!.toString("hex"));
    onMessage(peer, parts);
  };
  await live(place, receiver);
  await place.dies(receiver);
  assert.deepEqual(said, []);
  assert.equal(sender.links.dispatcher.isWatching, true);
});
