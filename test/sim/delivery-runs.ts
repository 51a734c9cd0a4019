import type { WorldOptions } from "../support/delivery-world.ts";

const BASE: WorldOptions = {
  senders: 1,
  receivers: 1,
  exclusive: false,
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
  "exclusive receivers that die": {
    ...BASE,
    receivers: 3,
    exclusive: true,
    ordered: true,
    inbox: true,
    receiverCrashes: true,
  },
  // What a receiver whose lease ended still finishes may come late: order is not checked.
  "exclusive, short leases": { ...BASE, receivers: 2, exclusive: true, leaseMs: 200 },
  "two senders, two inboxes, few attempts": {
    ...BASE,
    senders: 2,
    receivers: 2,
    inbox: true,
    receiverCrashes: true,
    attemptsMax: 3,
  },
  "exclusive, with credit for few bytes": {
    ...BASE,
    receivers: 2,
    exclusive: true,
    ordered: true,
    inbox: true,
    receiverCrashes: true,
    prefetchBytesMax: 300,
  },
  "poison that kills receiver and sender": {
    ...BASE,
    receivers: 2,
    receiverCrashes: true,
    attemptsMax: 3,
    poison: true,
  },
  "a sender's disk that forgets": { ...BASE, sync: "never", once: true, inbox: true },
};
