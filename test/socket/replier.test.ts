import assert from "node:assert/strict";
import { test } from "node:test";
import { Replier, Requester } from "../../lib/index.ts";
import { wireOf } from "../support/each-transport.ts";
import { gate, open } from "../support/fixtures.ts";

test("replier: drain waits for the questions that are with a handler, although others keep coming", async (t) => {
  const requester = open(t, new Requester<string, string>());
  const replier = open(t, new Replier<string, string>());
  await wireOf(t, "tcp").join(replier, requester);
  const slow = gate<string>();
  const begun = gate();
  void replier.serve((question) => {
    if (question !== "slow") return question;
    begun.open();
    return slow.promise;
  });
  const answer = requester.request("slow");
  await begun.promise;
  let busy = true;
  const others = (async () => {
    while (busy) await Promise.all([requester.request("a"), requester.request("b")]);
  })();
  const drained = replier.drain();
  assert.equal(replier.status, "draining");
  slow.open("done");
  await drained;
  busy = false;
  assert.equal(await answer, "done");
  await others;
});
