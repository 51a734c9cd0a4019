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
  "several senders and one inbox: nothing is lost, repeated or reordered": {
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
  "several receivers that outlive their senders: nothing is lost or repeated": {
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
  "several receivers, stopped past their lease: nothing is lost": {
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
  "without an ack layer, messages at a killed receiver are lost": {
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
  "without a journal, messages at a killed sender are lost": {
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
  "with acks before the work, the messages in flight at a killed receiver are lost": {
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
  "without an inbox, the messages in flight at a killed receiver have their effect twice": {
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
  "without an inbox, a message whose lease ends at a stopped receiver is processed by two receivers":
    {
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
  "without total order, several receivers process messages out of order": {
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
