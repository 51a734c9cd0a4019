import type { WorldOptions } from "../support/delivery-world.ts";

const BASE: WorldOptions = {
  senders: 1,
  receivers: 1,
  order: "perReceiver",
  prefetch: 4,
  prefetchBytesMax: 2 ** 25,
  receiverCrashes: false,
  inbox: false,
  sync: "always",
  leaseMs: 10_000,
  graceMs: 2_000,
  attemptsMax: 1_000,
  heartbeatMs: 0,
  ordered: false,
  once: false,
};
const EVER = 10_000;

/** The kinds of runs; each seed plays one. */
export const RUNS: Readonly<Record<string, WorldOptions>> = {
  "one receiver": { ...BASE, ordered: true, once: true },
  "one receiver that dies": { ...BASE, receiverCrashes: true },
  "one receiver with an inbox that dies": {
    ...BASE,
    ordered: true,
    once: true,
    inbox: true,
    receiverCrashes: true,
  },
  "one receiver that stores effects with acks": {
    ...BASE,
    ordered: true,
    once: true,
    inbox: true,
    together: true,
    receiverCrashes: true,
  },
  "two senders, three receivers": { ...BASE, senders: 2, receivers: 3, graceMs: EVER, once: true },
  "short leases and graces": {
    ...BASE,
    receivers: 3,
    leaseMs: 200,
    graceMs: 100,
    heartbeatMs: 100,
  },
  "receivers in total order that die": {
    ...BASE,
    receivers: 3,
    order: "total",
    ordered: true,
    inbox: true,
    receiverCrashes: true,
  },
  // What a receiver whose lease ended still finishes may come late: order is not checked.
  "total order, short leases": { ...BASE, receivers: 2, order: "total", leaseMs: 200 },
  "two senders, two inboxes, few attempts": {
    ...BASE,
    senders: 2,
    receivers: 2,
    inbox: true,
    receiverCrashes: true,
    attemptsMax: 3,
  },
  "total order, with credit for few bytes": {
    ...BASE,
    receivers: 2,
    order: "total",
    ordered: true,
    inbox: true,
    receiverCrashes: true,
    prefetchBytesMax: 300,
  },
  "poison that kills receiver and sender": {
    ...BASE,
    receivers: 2,
    receiverCrashes: true,
    // Longer than the receiver that lives needs to come back.
    graceMs: 1_000,
    attemptsMax: 2,
    poison: true,
  },
  "handlers that fail often, receivers that die": {
    ...BASE,
    senders: 2,
    receivers: 3,
    receiverCrashes: true,
    attemptsMax: 2,
    failing: true,
  },
  "backups that are restored, and old machines that come back": {
    ...BASE,
    receivers: 2,
    restores: true,
    inbox: true,
    receiverCrashes: true,
  },
  "backups of a disk that forgets, receivers without an inbox": {
    ...BASE,
    sync: "never",
    restores: true,
  },
  "a sender's disk that forgets": { ...BASE, sync: "never", once: true, inbox: true },
};
