import assert from "node:assert/strict";
import { test } from "node:test";
import { Confirmations } from "../../../lib/reliable/outbound/confirmations.ts";

/** Confirmations of these seqs, and how each ended. */
function waiting(...seqs: readonly number[]) {
  const confirmations = new Confirmations();
  const ended: (readonly [seq: number, how: string])[] = [];
  for (const seq of seqs) {
    confirmations.wait(seq, {
      resolve: () => ended.push([seq, "resolved"]),
      reject: (error) => ended.push([seq, (error as Error).message]),
    });
  }
  return { confirmations, ended };
}

test("confirmations: a range ends the waits for its seqs, and no others", () => {
  const { confirmations, ended } = waiting(3, 5, 9);
  confirmations.settle(4, 8, null);
  assert.deepEqual(ended, [[5, "resolved"]]);
  assert.equal(confirmations.count, 2);
  confirmations.settle(1, 1_000_000_000, new Error("dead"));
  assert.deepEqual(ended.slice(1), [
    [3, "dead"],
    [9, "dead"],
  ]);
  assert.equal(confirmations.count, 0);
  confirmations.settle(1, 9, null);
  assert.equal(ended.length, 3);
});

test("confirmations: each of several calls that wait for one message hears of it, once", () => {
  const { confirmations, ended } = waiting(7, 7, 7);
  assert.equal(confirmations.count, 1);
  confirmations.settle(7, 7, null);
  confirmations.close(new Error("closed"));
  assert.deepEqual(ended, [
    [7, "resolved"],
    [7, "resolved"],
    [7, "resolved"],
  ]);
});

test("confirmations: a close ends every wait with its error", () => {
  const { confirmations, ended } = waiting(1, 2, 2);
  confirmations.close(new Error("closed"));
  assert.deepEqual(ended, [
    [1, "closed"],
    [2, "closed"],
    [2, "closed"],
  ]);
  assert.equal(confirmations.count, 0);
});

test("confirmations: a wait that begins while another ends is not ended with it", () => {
  const confirmations = new Confirmations();
  let later = 0;
  const reject = () => assert.fail("nothing failed");
  confirmations.wait(1, {
    resolve: () => confirmations.wait(1, { resolve: () => later++, reject }),
    reject,
  });
  confirmations.settle(1, 1, null);
  assert.deepEqual([later, confirmations.count], [0, 1]);
  confirmations.settle(1, 1, null);
  assert.deepEqual([later, confirmations.count], [1, 0]);
});
