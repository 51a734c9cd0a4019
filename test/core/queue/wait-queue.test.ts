import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import { NOT_QUEUED, type Queued, WaitQueue } from "../../../lib/core/queue/wait-queue.ts";
import { range } from "../../support/fixtures.ts";

interface Member extends Queued<Member> {
  readonly name: number;
}

const newMember = (name: number): Member => ({ ...NOT_QUEUED, name });

test("waitlist: behaves as an array, whoever joins, leaves and is served", () => {
  const steps = fc.array(
    fc.oneof(
      { weight: 4, arbitrary: fc.constant("join" as const) },
      { weight: 3, arbitrary: fc.constantFrom("next" as const, "first" as const) },
      { weight: 2, arbitrary: fc.nat() },
      { weight: 1, arbitrary: fc.constant("clear" as const) },
    ),
    { maxLength: 100 },
  );
  fc.assert(
    fc.property(steps, (script) => {
      const list = new WaitQueue<Member>();
      let model: Member[] = [];
      let names = 0;
      for (const step of script) {
        if (step === "join") {
          const member = newMember(names++);
          list.join(member);
          model.push(member);
        } else if (step === "next") assert.equal(list.next(), model.shift() ?? null);
        else if (step === "first") assert.equal(list.first, model[0] ?? null);
        else if (step === "clear") {
          assert.deepEqual(list.clear(), model);
          model = [];
        } else if (model.length > 0) {
          const [member] = model.splice(step % model.length, 1);
          assert.equal(list.leave(member!), true);
          assert.equal(list.leave(member!), false);
        }
        assert.equal(list.size, model.length);
      }
      while (list.size > 0) assert.equal(list.next(), model.shift());
      assert.equal(list.next(), null);
    }),
    { numRuns: 500 },
  );
});

test("waitlist: the last of 300,000 is served as fast as the first", () => {
  const list = new WaitQueue<Member>();
  for (const index of range(300_000)) list.join(newMember(index));
  for (const index of range(300_000)) assert.equal(list.next()?.name, index);
});
