import assert from "node:assert/strict";
import { test } from "node:test";
import { BrokerlessError } from "../../lib/errors.ts";
import type { Journal } from "../../lib/journal/journal.ts";
import { MemoryJournal } from "../../lib/journal/memory-journal.ts";
import { Pull } from "../../lib/socket/pull.ts";
import { Push } from "../../lib/socket/push.ts";

const USES = {
  "the journal of a Push": (journal: Journal) => new Push({ journal }),
  "the inbox of a Pull": (inbox: Journal) => new Pull({ inbox }),
} as const;

for (const [one, first] of Object.entries(USES)) {
  for (const [other, second] of Object.entries(USES)) {
    test(`journal claim: what is ${one} cannot be ${other}, until the first is closed`, async () => {
      const journal = new MemoryJournal();
      const socket = first(journal);
      assert.throws(
        () => second(journal),
        (error) => {
          assert.ok(error instanceof BrokerlessError && error.code === "BROKERLESS_LOCKED");
          const words = `${journal.stream} is ${one} already, and cannot be ${other} as well`;
          assert.ok(error.message.includes(words), error.message);
          return true;
        },
      );
      await socket.close();
      await second(journal).close();
    });
  }
}

test("journal claim: a socket that could not be made holds nothing", async () => {
  const journal = new MemoryJournal();
  assert.throws(() => new Push({ journal, security: "some" as never }), TypeError);
  assert.throws(() => new Push({ journal, leaseMs: -1 }), TypeError);
  await new Push({ journal }).close();
});

test("journal claim: sockets with journals of their own, or none, do not meet", async () => {
  const sockets = [
    new Push({ journal: new MemoryJournal() }),
    new Push({ journal: new MemoryJournal() }),
    new Push({ reliable: true }),
    new Push({ reliable: true }),
    new Pull({ reliable: true }),
    new Pull({ reliable: true }),
  ];
  for (const socket of sockets) await socket.close();
});

test("journal claim: negative control: behind another face one journal serves two", async () => {
  const journal = new MemoryJournal();
  const push = new Push({ journal });
  const bound = (name: string | symbol) => {
    const member = Reflect.get(journal, name);
    return typeof member === "function" ? member.bind(journal) : member;
  };
  const face = new Proxy(journal, { get: (_, name) => bound(name) });
  const other = new Push({ journal: face });
  await other.close();
  await push.close();
});
