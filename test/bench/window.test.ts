import assert from "node:assert/strict";
import { test } from "node:test";
import { Window } from "../../bench/window.ts";

test("window: it is shut exactly so far ahead of the receiver", () => {
  const window = new Window(10);
  assert.equal(window.isShut(9), false);
  assert.equal(window.isShut(10), true);
  window.advance(5);
  assert.equal(window.isShut(14), false);
  assert.equal(window.isShut(15), true);
});

test("window: progress opens it", async () => {
  const window = new Window(10);
  const opened = window.opened(12);
  window.advance(2);
  window.advance(3);
  await opened;
  assert.equal(window.isShut(12), false);
});

test("window: without progress it opens by itself, so that a loss cannot hang a run", async (t) => {
  t.mock.timers.enable({ apis: ["setTimeout"] });
  const window = new Window(10);
  const opened = window.opened(10);
  t.mock.timers.runAll();
  await opened;
  assert.equal(window.isShut(10), false);
});
