import type { StormOptions, Verdict } from "./storm.ts";

/** Without a connection, or stopped, a receiver keeps what it has: nobody else may have its effect. */
const PATIENT = { graceMs: 120_000, leaseMs: 120_000 };

/** What a storm is like, wherever and however long it is played. */
type StormKind = Omit<StormOptions, "seed" | "blows" | "build">;

/** What a storm promises: each count that is named is 0. */
export interface Promised {
  readonly options: StormKind;
  readonly never: readonly (keyof Verdict["counts"])[];
}

/** What users may rely on. */
export const STORMS: Readonly<Record<string, Promised>> = {
  "several senders and one inbox: nothing is lost, repeated or overtaken": {
    options: {
      senders: 3,
      sender: "journal",
      senderRules: PATIENT,
      receivers: 1,
      receiver: "inbox",
      receiverRules: { prefetch: 50 },
    },
    never: ["lost", "duplicates", "disordered"],
  },
  "receivers in turn that outlive their senders: nothing is lost or repeated": {
    options: {
      senders: 2,
      sender: "journal",
      senderRules: PATIENT,
      receivers: 3,
      receiver: "memory",
      receiverRules: { prefetch: 50 },
      aim: { at: "senders" },
    },
    never: ["lost", "duplicates"],
  },
  "receivers in total order: nothing is lost, and order is kept": {
    options: {
      senders: 2,
      sender: "journal",
      senderRules: { order: "total", graceMs: 500, leaseMs: 10_000 },
      receivers: 3,
      receiver: "memory",
      receiverRules: { prefetch: 50 },
    },
    never: ["lost", "disordered"],
  },
  "an inbox stopped past its lease: nothing is lost or repeated": {
    options: {
      senders: 2,
      sender: "journal",
      senderRules: { graceMs: 2_000, leaseMs: 300 },
      receivers: 1,
      receiver: "inbox",
      receiverRules: { prefetch: 50 },
      stopMsMax: 1_500,
    },
    never: ["lost", "duplicates"],
  },
  "receivers in turn, stopped past their lease: nothing is lost": {
    options: {
      senders: 2,
      sender: "journal",
      senderRules: { graceMs: 200, leaseMs: 300 },
      receivers: 3,
      receiver: "memory",
      receiverRules: { prefetch: 50 },
      stopMsMax: 1_500,
    },
    never: ["lost"],
  },
};

/** Storms with one protection off, aimed at where that hurts: the verifier has to see it. */
export const CONTROLS: Readonly<
  Record<string, { readonly options: StormKind; readonly seen: keyof Verdict["counts"] }>
> = {
  "without an ack layer, what a killed receiver had is lost": {
    options: {
      senders: 1,
      sender: "plain",
      receivers: 1,
      receiver: "plain",
      workMs: 1,
      aim: { at: "receivers", with: "kill" },
    },
    seen: "lost",
  },
  "without a journal, what a killed sender had is lost": {
    options: {
      senders: 1,
      sender: "memory",
      receivers: 1,
      receiver: "memory",
      workMs: 1,
      aim: { at: "senders", with: "kill" },
    },
    seen: "lost",
  },
  "acknowledged before it is done, what a killed receiver had in hand is lost": {
    options: {
      senders: 1,
      sender: "journal",
      senderRules: { graceMs: 200 },
      receivers: 1,
      receiver: "memory",
      workMs: 5,
      acksFirst: true,
      aim: { at: "receivers", with: "kill" },
    },
    seen: "lost",
  },
  "without an inbox, what a killed receiver had in hand has its effect twice": {
    options: {
      senders: 1,
      sender: "journal",
      senderRules: { graceMs: 200 },
      receivers: 1,
      receiver: "memory",
      workMs: 5,
      aim: { at: "receivers", with: "kill" },
    },
    seen: "duplicates",
  },
  "a lease that ends while a receiver is stopped is work for another, and both do it": {
    options: {
      senders: 1,
      sender: "journal",
      senderRules: { graceMs: 200, leaseMs: 100 },
      receivers: 2,
      receiver: "memory",
      receiverRules: { prefetch: 20 },
      workMs: 5,
      stopMsMax: 1_500,
      aim: { at: "receivers", with: "stop" },
    },
    seen: "duplicates",
  },
  "without total order, receivers in turn overtake each other": {
    options: {
      senders: 1,
      sender: "journal",
      senderRules: { graceMs: 200 },
      receivers: 3,
      receiver: "memory",
      workMs: 1,
      aim: { at: "receivers", with: "kill" },
    },
    seen: "disordered",
  },
};
