import assert from "node:assert/strict";
import { test } from "node:test";
import { SUSPECTS_EMPTY } from "../../lib/delivery/attempts/suspects.ts";
import { decodeLinkMessage, encodeLinkMessage } from "../../lib/delivery/protocol/link-message.ts";
import { decodeSenderState, encodeSenderState } from "../../lib/delivery/saved/saved-state.ts";
import { Appended, Commit } from "../../lib/journal/commit/appended.ts";
import type { Journal, Values } from "../../lib/journal/journal.ts";
import type { LinkPeer } from "../../lib/transport/link-peer.ts";
import { changed } from "../support/changed.ts";
import { DeliveryWorld, type Sabotage, type WorldOptions } from "../support/delivery-world.ts";
import { integerFrom } from "../support/env.ts";
import type { SimReceiver } from "../support/sim-receiver.ts";
import type { SimSender } from "../support/sim-sender.ts";
import { RUNS } from "./delivery-runs.ts";

/** The same ones each time; `npm run simulate` goes on to others. */
const FIRST = integerFrom("SEED", 20_261_120);
/** Runs in which a fault has to show itself (count): most do within twenty, the rarest needs hundreds with some seeds. */
const SEEDS = 2_000;

/** The sender takes a lost connection for one that is there, and a receiver that comes back for another. */
function neverResend({ socket }: SimSender): void {
  const { dispatcher } = socket!.links;
  const step = dispatcher.step.bind(dispatcher);
  dispatcher.step = (event, nowMs) => {
    if (event.type === "lost" || event.type === "left") return [];
    if (event.type !== "joined") return step(event, nowMs);
    const receiver = `${event.receiver}-${event.link}`;
    return step({ ...event, receiver, held: [], done: [] }, nowMs);
  };
}

/** A receiver forgets what it has done as soon as it is done. */
function forgetDone({ socket }: SimReceiver): void {
  const { inFlight } = socket!.links;
  const done = inFlight.done.bind(inFlight);
  inFlight.done = (stream, first, last) => {
    done(stream, first, last);
    stream.window.step({ type: "progress", acks: Number.MAX_SAFE_INTEGER, floor: last });
  };
}

/** Whoever acknowledges a message, it counts. */
function acceptAnyAck({ socket }: SimSender): void {
  const { dispatcher } = socket!.links;
  const step = dispatcher.step.bind(dispatcher);
  dispatcher.step = (event, nowMs) => {
    const actions = step(event, nowMs);
    if (event.type !== "acked") return actions;
    for (let link = 1; link < 30; link++) actions.push(...step({ ...event, link }, nowMs));
    return actions;
  };
}

/** What is appended goes to receivers, and counts as stored, while it is on its way to the disk. */
function sendBeforeStored(journal: Journal): Journal {
  return changed(journal, {
    appendDraft: (draft, options) => {
      const { seq } = journal.appendDraft(draft, options);
      const commit = new Commit();
      commit.resolve();
      return new Appended(seq, draft.count, commit);
    },
  });
}

/** Receivers are told that all is settled for good. */
function floorAhead({ socket, journal }: SimSender): void {
  const { links } = socket!;
  const hear = links.onMessage.bind(links);
  const lied = new WeakSet<LinkPeer>();
  const lieTo = (peer: LinkPeer): void => {
    if (lied.has(peer)) return;
    lied.add(peer);
    const send = peer.send.bind(peer);
    peer.send = ([head, ...rest]) => {
      const message = decodeLinkMessage(head!);
      if ("fault" in message || message.type !== "progress") return send([head!, ...rest]);
      const ranges = [{ first: 1, last: journal!.seqStored }];
      send([encodeLinkMessage({ ...message, ranges })]);
    };
  };
  links.onMessage = (peer, parts) => {
    lieTo(peer);
    hear(peer, parts);
  };
}

/** What receivers know of seqs that were given anew is never void. */
function ignoreIncarnations({ socket }: SimSender): void {
  Object.assign(socket!.incarnations, { all: [{ epoch: 1, seqFirst: 1, id: "0".repeat(32) }] });
}

/** A dead letter is settled first, and becomes one with the next write. */
function deadInTwoSteps(journal: Journal): Journal {
  const set = (values: Values): Appended => {
    const { "delivery-dead": dead, ...settled } = values;
    if (!dead) return journal.set(values);
    // More than once, so that the moment in between is long enough to be hit.
    let before: Promise<unknown> = Promise.resolve();
    for (let times = 0; times < 6; times++) before = before.then(() => journal.set(settled));
    return before.then(() => journal.set(values)) as unknown as Appended;
  };
  return changed(journal, { set });
}

/** What is dispatched, and what is said to be begun, is not counted before it is given back. */
function forgetHandedOut(journal: Journal): Journal {
  const set = (values: Values): Appended => {
    const state = values.delivery && decodeSenderState(values.delivery);
    if (!state) return journal.set(values);
    const forgetful = { ...state, leased: [], suspects: SUSPECTS_EMPTY };
    return journal.set({ ...values, delivery: encodeSenderState(forgetful) });
  };
  return changed(journal, { set });
}

/** An effect is stored first, and that its message is done with later writes. */
function effectInTwoSteps(inbox: Journal): Journal {
  const append: Journal["append"] = (entries, options) => {
    let stored: Promise<unknown> = inbox.append(entries);
    const values = options?.values;
    for (let times = 0; values !== undefined && times < 6; times++) {
      stored = stored.then(() => inbox.set(times < 5 ? { later: Buffer.of(times) } : values));
    }
    return stored as unknown as Appended;
  };
  return changed(inbox, { append });
}

/** Receivers may begin what they say that they begin, and it does not count. */
function forgetBegun({ socket }: SimSender): void {
  const { dispatcher } = socket!.links;
  const step = dispatcher.step.bind(dispatcher);
  dispatcher.step = (event, nowMs) => {
    if (event.type !== "begun") return step(event, nowMs);
    const actions = step({ type: "tick" }, nowMs);
    const { link, ranges, wantsGo } = event;
    return wantsGo ? [...actions, { type: "go", link, ranges }] : actions;
  };
}

/** What may have killed a receiver is begun together with everything else. */
function guardNothing({ socket }: SimSender): void {
  const { dispatcher } = socket!.links;
  const step = dispatcher.step.bind(dispatcher);
  dispatcher.step = (event, nowMs) =>
    step(event, nowMs).map((action) =>
      action.type === "send" ? { ...action, guarded: false } : action,
    );
}

/** Whatever was dispatched to a receiver that died has been tried. */
function countHandedOut({ socket }: SimSender): void {
  const { dispatcher } = socket!.links;
  const step = dispatcher.step.bind(dispatcher);
  dispatcher.step = (event, nowMs) => {
    const actions = step(event, nowMs);
    for (const action of actions) {
      if (action.type !== "send" || action.guarded) continue;
      const { link, first, last } = action;
      step({ type: "begun", link, ranges: [{ first, last }], wantsGo: false }, nowMs);
    }
    return actions;
  };
}

interface Control {
  readonly run: string;
  readonly options?: Partial<WorldOptions>;
  readonly sabotage: Sabotage;
  /** What has to be noticed. */
  readonly caught: RegExp;
}

const CONTROLS: Readonly<Record<string, Control>> = {
  "nothing is sent again after a connection is lost": {
    run: "one receiver",
    options: { leaseMs: 10 ** 9, ordered: false },
    sabotage: { sender: neverResend },
    caught: /stuck/,
  },
  "no memory of what is done": {
    run: "one receiver",
    sabotage: { receiver: forgetDone },
    caught: /again after it was done/,
  },
  "no check of the lease": {
    run: "short leases and graces",
    sabotage: { sender: acceptAnyAck },
    caught: /had no right/,
  },
  "acknowledged before it is processed": {
    run: "one receiver that dies",
    sabotage: { ackFirst: true },
    caught: /is lost|was not/,
  },
  "sent before it is stored": {
    run: "one receiver",
    sabotage: { journal: sendBeforeStored },
    caught: /confirmed as stored, and is lost|was not/,
  },
  "a settled floor ahead of the truth": {
    run: "one receiver",
    sabotage: { sender: floorAhead },
    caught: /again|twice/,
  },
  "an epoch that is ignored": {
    run: "a sender's disk that forgets",
    sabotage: { sender: ignoreIncarnations },
    caught: /and was not|is lost/,
  },
  "a restored backup that is taken for the stream that it was": {
    run: "backups that are restored, and old machines that come back",
    sabotage: { sender: ignoreIncarnations },
    caught: /and was not|is lost/,
  },
  "lives that have one id": {
    run: "backups that are restored, and old machines that come back",
    sabotage: { sender: ignoreIncarnations },
    caught: /were not told apart/,
  },
  "an attempt that is not counted before it is made": {
    run: "poison that kills receiver and sender",
    sabotage: { journal: forgetHandedOut },
    caught: /for ever|stuck/,
  },
  "begins that do not count": {
    run: "poison that kills receiver and sender",
    sabotage: { sender: forgetBegun },
    caught: /for ever|stuck/,
  },
  "suspects that are not begun alone": {
    run: "poison that kills receiver and sender",
    sabotage: { sender: guardNothing },
    caught: /for ever|stuck|killed nobody/,
  },
  "attempts that count when a message is sent ahead": {
    run: "poison that kills receiver and sender",
    sabotage: { sender: countHandedOut },
    caught: /and \d+ count|killed nobody/,
  },
  "an effect that is stored before its acknowledgement": {
    run: "one receiver that stores effects with acks",
    sabotage: { inbox: effectInTwoSteps },
    caught: /twice/,
  },
  "a dead letter that is moved in two steps": {
    run: "two senders, two inboxes, few attempts",
    options: { attemptsMax: 1 },
    sabotage: { journal: deadInTwoSteps },
    caught: /is lost/,
  },
};

for (const [name, { run, options, sabotage, caught }] of Object.entries(CONTROLS)) {
  test(`delivery control: ${name}: the simulation notices (seeds ${FIRST} and on)`, async (t) => {
    for (let seed = FIRST; seed < FIRST + SEEDS; seed++) {
      const settings = { ...RUNS[run]!, prefetch: 1 + (seed % 7), ...options };
      const world = new DeliveryWorld(seed, settings, sabotage);
      await world.run(600);
      const violation = world.violations.find((text) => caught.test(text));
      if (violation === undefined) continue;
      t.diagnostic(`after ${seed - FIRST + 1} runs: ${violation}`);
      return;
    }
    assert.fail(`${SEEDS} runs noticed nothing`);
  });
}
