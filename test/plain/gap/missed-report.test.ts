import assert from "node:assert/strict";
import { test } from "node:test";
import fc from "fast-check";
import {
  decodeReport,
  encodeReport,
  type MissedReport,
  MissedReports,
  REPORTERS_MAX,
} from "../../../lib/plain/gap/missed-report.ts";
import { hexOf, MissedReporter, REPORTED_MAX } from "../../../lib/plain/gap/missed-reporter.ts";
import { KEYS_MAX, PACE_MS, PacedCounts } from "../../../lib/plain/gap/paced-counts.ts";
import { SubscriberCounter } from "../../../lib/plain/topic/subscriber-counter.ts";
import { range } from "../../support/fixtures.ts";
import { ManualClock } from "../../support/manual-clock.ts";

const PUBLISHER = "00ff10203040a0b0";

function message(prefix: string, adds = true): Buffer {
  return Buffer.concat([Buffer.from([adds ? 1 : 0]), Buffer.from(prefix)]);
}

function report(id: string, total: number, publisher = PUBLISHER): MissedReport {
  return { publisher, id, total };
}

test("missed report: it comes back as it was, and is no subscription to any publisher", () => {
  const told = report("AAAAAAAAAAAAAAAA", 12_345);
  const bytes = message(encodeReport(told));
  assert.deepEqual(decodeReport(bytes), told);
  assert.equal(decodeReport(message(encodeReport(told), false)), null);
  assert.deepEqual(new SubscriberCounter().read(bytes), { type: "mark" });
  const most = decodeReport(message(encodeReport(report("A", Number.MAX_SAFE_INTEGER))));
  assert.equal(most!.total, 10 ** 15 - 1);
});

test("missed report: anything else is none", () => {
  for (const prefix of [
    "",
    "trades",
    "\0brokerless\0AAAAAAAAAAAAAAAA.1.2",
    "\0brokerless\0missed:",
    `\0brokerless\0missed:${PUBLISHER}.A.-1`,
    `\0brokerless\0missed:${PUBLISHER}.A.1e9`,
    `\0brokerless\0missed:${PUBLISHER}.A.${"9".repeat(16)}`,
    `\0brokerless\0missed:${PUBLISHER}..1`,
    `\0brokerless\0missed:${PUBLISHER}.${"A".repeat(33)}.1`,
    `\0brokerless\0missed:${PUBLISHER.slice(1)}.A.1`,
    `\0brokerless\0missed:${PUBLISHER}.A.1 `,
  ]) {
    assert.equal(decodeReport(message(prefix)), null, JSON.stringify(prefix));
  }
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 120 }), (bytes) => {
      assert.equal(decodeReport(Buffer.from(bytes)), null);
    }),
  );
});

test("missed report: what is told twice counts once, and each subscriber by itself", () => {
  const reports = new MissedReports(PUBLISHER);
  const take = (id: string, total: number) => reports.take(report(id, total), 1_000);
  const counts = [take("A", 5), take("A", 5), take("B", 2), take("A", 9), take("A", 3)];
  assert.deepEqual([counts, reports.missed], [[5, 0, 2, 4, 0], 11]);
});

test("missed report: what is told to another publisher, or exceeds what was published, does not count", () => {
  const reports = new MissedReports(PUBLISHER);
  assert.equal(reports.take(report("A", 5, "0000000000000000"), 100), 0);
  assert.equal(reports.take(report("A", 10 ** 14), 100), 100);
  assert.equal(reports.take(report("A", 10 ** 14), 130), 30);
  assert.equal(reports.missed, 130);
});

test("missed report: beyond the bound the subscriber that was silent longest is forgotten", () => {
  const reports = new MissedReports(PUBLISHER);
  for (const n of range(REPORTERS_MAX)) reports.take(report(`s${n}`, 1), 1_000);
  reports.take(report("s0", 2), 1_000);
  reports.take(report("one more", 1), 1_000);
  assert.equal(reports.take(report("s0", 3), 1_000), 1);
  assert.equal(reports.take(report("s2", 2), 1_000), 1);
  assert.equal(reports.take(report("s1", 2), 1_000), 2);
});

test("missed reporter: each publisher has one report at a time, of the sum", () => {
  const calls: string[] = [];
  const live = new Set<string>();
  const target = {
    subscribe(prefix: string): void {
      live.add(prefix);
      calls.push(prefix);
    },
    unsubscribe: (prefix: string) => void assert.ok(live.delete(prefix)),
  };
  const reporter = new MissedReporter(target, "ID");
  const first = "\xff234567\0";
  reporter.add(first, 2);
  reporter.add("second..", 1);
  reporter.flush();
  reporter.flush();
  assert.equal(calls.length, 2);
  reporter.add(first, 3);
  reporter.flush();
  const totals = [...live].map((prefix) => decodeReport(message(prefix))!);
  assert.deepEqual(totals, [
    { publisher: hexOf("second.."), id: "ID", total: 1 },
    { publisher: "ff32333435363700", id: "ID", total: 5 },
  ]);
  for (const n of range(2 * REPORTED_MAX)) {
    reporter.add(String(n).padStart(8), 1);
    reporter.flush();
    assert.ok(live.size <= REPORTED_MAX, `${live.size} reports`);
  }
});

test("paced counts: the first is passed on at once, those of the next second together", () => {
  const clock = new ManualClock();
  const flushes: [string | null, number][][] = [];
  const counts = new PacedCounts(clock, (each) => void flushes.push([...each]));
  counts.add("a", 1);
  for (const _ of range(1_000)) counts.add("a", 2);
  counts.add("b", 5);
  clock.advance(PACE_MS - 1);
  assert.deepEqual(flushes, [[["a", 1]]]);
  clock.advance(1);
  assert.deepEqual(flushes.slice(1), [
    [
      ["a", 2_000],
      ["b", 5],
    ],
  ]);
  clock.advance(10 * PACE_MS);
  assert.equal(flushes.length, 2);
  counts.add("c", 1);
  assert.deepEqual(flushes.slice(2), [[["c", 1]]]);
});

test("paced counts: keys beyond the bound are counted together, and none after the end", () => {
  const clock = new ManualClock();
  const flushes: Map<string | null, number>[] = [];
  const counts = new PacedCounts(clock, (each) => void flushes.push(new Map(each)));
  counts.add("first", 1);
  for (const n of range(KEYS_MAX + 10)) counts.add(`k${n}`, 2);
  clock.advance(PACE_MS);
  assert.equal(flushes[1]!.size, KEYS_MAX + 1);
  assert.equal(flushes[1]!.get(null), 20);
  counts.add("late", 1);
  counts.stop();
  counts.add("later", 1);
  clock.advance(10 * PACE_MS);
  assert.equal(flushes.length, 2);
});
