import type { Mutant } from "./mutation.ts";

const REQUESTS = "contract/requests-by-load";
const REPLIER = "socket/replier";

/** Requests by load, the loss and the farewell of a replier, and what a handler hears of its requester. */
export const REQUEST_MUTANTS: readonly Mutant[] = (
  [
    [
      "requests go out in turn",
      "plain/request/replier-lanes",
      "best !== null && lane.outstanding >= best.outstanding",
      "best !== null",
      REQUESTS,
      "a replier that is slow gets few of them; the replier binds (tcp)",
    ],
    [
      "a request at a lost replier is repeated without leave",
      "plain/request/pending-requests",
      "if (pending.request.resend)",
      "if (true)",
      REQUESTS,
      "fail at once, or go to another; the requester binds (tcp)",
    ],
    [
      "without a replier a request fails at once",
      "plain/request/pending-requests",
      "this.#unreachableMs) + this.#options.unroutableMs",
      "this.#unreachableMs)",
      REQUESTS,
      "fail after unroutableMs, and not before",
    ],
    [
      "a replier that leaves does not wait for its requesters",
      REPLIER,
      "if (this.#own.isWaiting)",
      "if (false)",
      REQUESTS,
      "a replier that leaves waits for its requester",
    ],
    [
      "what a replier gives back as it leaves is forgotten",
      REPLIER,
      "this.#own.flush();",
      "",
      REQUESTS,
      "a replier that leaves waits for its requester",
    ],
    [
      "a request whose requester has given up is begun",
      REPLIER,
      "held.isCancelled || ",
      "",
      REQUESTS,
      "given up before its handler began is not begun (tcp)",
    ],
    [
      "a request whose time limit has passed is begun",
      REPLIER,
      " || held.request.deadlineMs <= performance.now()",
      "",
      REQUESTS,
      "given up before its handler began is not begun (tcp)",
    ],
    [
      "a handler does not hear that its requester has given up",
      REPLIER,
      "this.#calls.cancel(peer, id);",
      "",
      REQUESTS,
      "a handler hears that its requester has given up; the replier binds (tcp)",
    ],
    [
      "a handler does not hear that a connection has ended",
      REPLIER,
      "this.#calls.lose(peer);",
      "",
      REQUESTS,
      "a handler hears that the connection of its requester has ended; the replier binds (tcp)",
    ],
    [
      "what was given up before its replier was known is not told",
      "plain/request/replier-lanes",
      "this.#cancelled.push(id);",
      "void id;",
      "plain/request/replier-lanes",
      "given up before its replier was known",
    ],
    [
      "each request has a frame of its own",
      "plain/request/entry-batch",
      "isLone && this.#entries.length === 0",
      "true",
      REQUESTS,
      "a burst of them shares frames, both ways (tcp)",
    ],
    [
      "a requester behind a proxy gets replies in frames",
      "plain/request/request-envelope",
      "opened !== null && bodyAt === 3",
      "opened !== null",
      "plain/request/request-envelope",
      "unless a proxy is in between",
    ],
    [
      "the end of a frame is not looked at",
      "plain/request/request-frames",
      "bodyAt + bodyBytes > frame.length",
      "false",
      "plain/request/request-frames",
      "a frame that is cut anywhere",
    ],
  ] as const
).map(([name, file, from, to, ...hunt]) => ({
  rule: "0084",
  name,
  edits: [[file, from, to]],
  hunt,
}));
