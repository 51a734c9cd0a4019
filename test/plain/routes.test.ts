import assert from "node:assert/strict";
import { test } from "node:test";
import { msgpack } from "../../lib/codec/msgpack/msgpack.ts";
import { NO_OUTBOUND_STATS } from "../../lib/core/outbound-stats.ts";
import { COMMON_DEFAULTS, type ResolvedCommon } from "../../lib/core/socket-options.ts";
import { Route } from "../../lib/plain/route.ts";
import { type Forgettable, ROUTE_IDLE_MS, ROUTES_MAX, Routes } from "../../lib/plain/routes.ts";
import { quiet } from "../../lib/wait.ts";
import { ManualClock } from "../support/manual-clock.ts";

/** A route that has sent what it is told. */
class FakeRoute implements Forgettable {
  idle = true;
  messagesSent = 1;
  readonly outbound = {
    stats: () => ({ ...NO_OUTBOUND_STATS, messagesSent: this.messagesSent }),
  };
}

test("routes: one that nothing was sent by for a time is forgotten, and what it has sent counts", () => {
  const clock = new ManualClock();
  const routes = new Routes<FakeRoute>(clock);
  const used = new FakeRoute();
  const waited = new FakeRoute();
  waited.idle = false;
  for (const peer of ["a", "b", "c"]) routes.add(peer, new FakeRoute());
  routes.add("used", used);
  routes.add("waited", waited);
  for (let look = 0; look < 3; look++) {
    used.messagesSent += 1;
    clock.advance(ROUTE_IDLE_MS);
    assert.equal(routes.size, look === 0 ? 5 : 2);
  }
  assert.equal(routes.get("used"), used);
  assert.equal(routes.get("waited"), waited);
  assert.equal(routes.stats().messagesSent, 8);
  waited.idle = true;
  clock.advance(2 * ROUTE_IDLE_MS);
  assert.equal(routes.size, 0);
  // One that comes later is forgotten as well.
  routes.add("a", new FakeRoute());
  clock.advance(2 * ROUTE_IDLE_MS);
  assert.equal(routes.size, 0);
  assert.equal(routes.stats().messagesSent, 9);
});

test("routes: beyond the limit idle ones are forgotten, oldest first", () => {
  const routes = new Routes<FakeRoute>(new ManualClock());
  const busy = new FakeRoute();
  busy.idle = false;
  routes.add("busy", busy);
  for (let index = 0; index < ROUTES_MAX + 10; index++) routes.add(`${index}`, new FakeRoute());
  assert.equal(routes.size, ROUTES_MAX);
  assert.equal(routes.get("busy"), busy);
  assert.equal(routes.get("0"), undefined);
  assert.ok(routes.get(`${ROUTES_MAX + 9}`) !== undefined);
});

test("routes: what is not the peer's route any more is not forgotten twice", () => {
  const routes = new Routes<FakeRoute>(new ManualClock());
  const first = new FakeRoute();
  const second = new FakeRoute();
  routes.add("a", first);
  routes.forget("a", first);
  routes.add("a", second);
  routes.forget("a", first);
  assert.equal(routes.get("a"), second);
  assert.equal(routes.stats().messagesSent, 2);
});

test("routes: after the close nothing is looked at", () => {
  const clock = new ManualClock();
  const routes = new Routes<FakeRoute>(clock);
  routes.add("a", new FakeRoute());
  routes.close();
  clock.advance(10 * ROUTE_IDLE_MS);
  assert.equal(routes.size, 1);
});

test("routes: one by which a call waits for its schema is not idle", async () => {
  const validate = (value: unknown) => (value === "stuck" ? new Promise(() => {}) : { value });
  const route = new Route({
    id: Buffer.from("peer"),
    common: COMMON_DEFAULTS as ResolvedCommon,
    codec: msgpack(),
    schema: { "~standard": { version: 1, vendor: "test", validate } } as never,
    send: async () => {},
    onUnroutable: () => assert.fail("its peer is there"),
    onRefused: () => assert.fail("nothing is refused"),
  });
  await route.send("at once", undefined);
  assert.equal(route.idle, true);
  const stuck = quiet(route.send("stuck", undefined));
  assert.equal(route.idle, false);
  route.outbound.close();
  await assert.rejects(stuck, { code: "BROKERLESS_CLOSED" });
  assert.equal(route.idle, true);
});
