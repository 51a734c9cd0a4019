import assert from "node:assert/strict";
import { type DeadLetter, type DeadMessages, Pull, Push } from "../../lib/index.ts";
import { eachTransport } from "../support/each-transport.ts";
import { open } from "../support/fixtures.ts";

const DEAD = { code: "BROKERLESS_DEAD_LETTER" };
const ERROR = { name: "RangeError", message: "no picture", code: "ENOPIC" };

for (const binds of ["sender", "receiver"] as const) {
  eachTransport(
    `dead letters: the handler's error, and the id that it saw, are told everywhere (the ${binds} binds)`,
    async (t, wire) => {
      const sender = open(t, new Push<string>({ reliable: true, attemptsMax: 2, retryMs: 1 }));
      const receiver = open(t, new Pull<string>({ reliable: true }));
      if (binds === "sender") await wire.join(receiver, sender);
      else await wire.join(sender, receiver);
      const told: DeadMessages[] = [];
      sender.on("deadLetter", (dead) => void told.push(dead));
      const ids: string[] = [];
      void receiver.run((value, delivery) => {
        if (delivery.attempt === 1) ids.push(delivery.id);
        const error = Object.assign(new RangeError("no picture"), { code: "ENOPIC" });
        if (value === "throws") throw error;
        if (value === "nacked") delivery.nack({ delayMs: 0, error });
        if (value === "rejected") delivery.reject("hopeless", { error });
      });
      const values = ["throws", "nacked", "rejected"];
      const beganAt = Date.now();
      for (const value of values) {
        const sent = sender.send(value, { confirm: "processed" });
        await assert.rejects(sent, { ...DEAD, message: /RangeError \[ENOPIC\]: no picture$/ });
      }
      const letters: DeadLetter<string>[] = [];
      for await (const letter of sender.deadLetters) letters.push(letter);
      const failed = { attempts: 2, reason: "all attempts failed", error: ERROR };
      const rejected = { attempts: 1, reason: "hopeless", error: ERROR };
      const expected = [failed, failed, rejected].map((why, index) => {
        return { id: ids[index], seq: index + 1, value: values[index], headers: {}, ...why };
      });
      assert.deepEqual(
        letters.map(({ firstAttemptAt: _, deadAt: __, ...letter }) => letter),
        expected,
      );
      for (const { firstAttemptAt, deadAt } of letters) {
        assert.ok(firstAttemptAt!.getTime() >= beganAt - 1 && deadAt >= firstAttemptAt!);
      }
      assert.deepEqual(
        told.map(({ ids: [id], seqFirst: seq, stream: _, seqLast: __, ...why }) => {
          return { id, seq, ...why };
        }),
        letters.map(({ value: _, headers: __, ...letter }) => letter),
      );
    },
  );
}
