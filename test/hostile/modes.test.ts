import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import type { BrokerlessError } from "../../lib/index.ts";
import { assertWithin } from "../support/bounds.ts";
import { integerFrom } from "../support/env.ts";
import { MODES, SUBSCRIBER_MODES, type Target } from "./modes.ts";
import { FRAME_BYTES_MAX, type Pair, ROLES } from "./roles.ts";
import { Attacker, besiege, EXCHANGES_AFTER, MODE_MS_MAX } from "./siege.ts";

/** What an attack may cost, the largest of which sends 450 MB. */
const BOUNDS = {
  /** The loop is never busy for longer. */
  stallMs: 100,
  /** The well-behaved peer is never kept waiting for longer. */
  silenceMs: 1000,
  /** What a peer may have in flight, 64 frames of a megabyte, and garbage that is not collected yet. */
  grownBytes: 256 * 2 ** 20,
};

const seed = integerFrom("BROKERLESS_SEED", Date.now() % 1_000_000);
const wanted = process.env.BROKERLESS_MODE ?? "";
const report = process.env.BROKERLESS_REPORT !== undefined;

for (const [name, role] of Object.entries(ROLES)) {
  describe(`hostile peers of a ${name} (seed ${seed})`, { concurrency: false }, () => {
    const modes = { ...MODES, ...(name === "Publisher" ? SUBSCRIBER_MODES : {}) };
    const errors: BrokerlessError[] = [];
    let attacker: Attacker;
    let pair: Pair;
    let target: Target;

    before(async () => {
      attacker = new Attacker();
      pair = role.make();
      pair.victim.on("error", (error) => errors.push(error));
      const address = await pair.victim.bind("tcp://127.0.0.1:*");
      pair.friend.connect(address);
      await pair.friend.ready();
      for (let i = 0; i < 500; i++) await pair.exchange(i);
      target = {
        address,
        socketType: role.socketType,
        frameBytesMax: FRAME_BYTES_MAX,
        message: role.message.map((part) => part.toString("base64")),
        seed,
      };
    });

    after(async () => {
      await Promise.all([pair.victim.close(), pair.friend.close()]);
      await pair.ended();
      await attacker.close();
    });

    for (const mode of Object.keys(modes).filter((each) => each.includes(wanted))) {
      const title = `${name}: ${mode}`;
      test(title, { timeout: MODE_MS_MAX }, async () => {
        const outcome = await besiege(pair, () => attacker.attack({ mode, target }));
        if (report) console.log(name, mode, JSON.stringify(outcome));
        assert.ok(outcome.exchanges > EXCHANGES_AFTER);
        assertWithin(outcome, BOUNDS);
      });
    }
  });
}
