import assert from "node:assert/strict";
import { after, before, describe, test } from "node:test";
import { type BrokerlessError, generateKeyPair, Pull, Push } from "../../lib/index.ts";
import { assertWithin } from "../support/bounds.ts";
import { integerFrom } from "../support/env.ts";
import { eventually } from "../support/eventually.ts";
import { CURVE_MODES, MODES, type Target } from "./modes.ts";
import { FRAME_BYTES_MAX, MESSAGE_BYTES_MAX, type Pair } from "./roles.ts";
import { Attacker, besiege, MODE_MS_MAX } from "./siege.ts";

const seed = integerFrom("BROKERLESS_SEED", Date.now() % 1_000_000);
const report = process.env.BROKERLESS_REPORT !== undefined;
/** What a stranger's attack may cost. */
const BOUNDS = { stallMs: 100, silenceMs: 1000, grownBytes: 64 * 2 ** 20 };

/** Modes of {@link MODES} that do not begin with a handshake: a stranger cannot complete one. */
const OUTSIDE = Object.keys(MODES).filter((mode) =>
  /greeting|never end|READY|quick conn/.test(mode),
);

describe(`unknown peers at a CURVE server (seed ${seed})`, { concurrency: false }, () => {
  const errors: BrokerlessError[] = [];
  const server = generateKeyPair();
  const client = generateKeyPair();
  let attacker: Attacker;
  let pair: Pair;
  let target: Target;

  before(async () => {
    attacker = new Attacker();
    const victim = new Pull<number>({
      messageBytesMax: MESSAGE_BYTES_MAX,
      security: { ...server, allow: [client.publicKey] },
    });
    const friend = new Push<number>({ security: { ...client, serverKey: server.publicKey } });
    victim.on("error", (error) => errors.push(error));
    const exchange = async (count: number): Promise<void> => {
      await friend.send(count);
      assert.equal(await victim.receive(), count);
    };
    pair = { victim, friend, exchange, ended: async () => {} };
    const address = await victim.bind("tcp://127.0.0.1:*");
    friend.connect(address);
    await friend.ready();
    for (let i = 0; i < 500; i++) await exchange(i);
    target = {
      address,
      socketType: "PUSH",
      frameBytesMax: FRAME_BYTES_MAX,
      message: ["wQ=="],
      seed,
      serverKey: server.publicKey,
    };
  });

  after(async () => {
    await Promise.all([pair.victim.close(), pair.friend.close()]);
    await attacker.close();
  });

  for (const mode of [...Object.keys(CURVE_MODES), ...OUTSIDE]) {
    test(`CURVE: ${mode}`, { timeout: MODE_MS_MAX }, async () => {
      const outcome = await besiege(pair, () => attacker.attack({ mode, target }));
      if (report) console.log("CURVE", mode, JSON.stringify(outcome), errors.length);
      assertWithin(outcome, BOUNDS);
      assert.equal(pair.victim.stats().framesRefused, 0, "a stranger's frame came through");
    });
  }

  test("CURVE: each unknown key was reported as BROKERLESS_SECURITY", async () => {
    // Of many in a second the first ones are told, and then how many more there were.
    const told = ({ code, message }: BrokerlessError): number =>
      code !== "BROKERLESS_SECURITY" ? 0 : Number(/^(\d+) more errors/.exec(message)?.[1] ?? 1);
    await eventually(() => {
      const count = errors.reduce((sum, error) => sum + told(error), 0);
      assert.ok(count >= 100, `${count} reports`);
    });
    for (const error of errors) assert.ok(!error.message.includes(server.secretKey));
  });
});
