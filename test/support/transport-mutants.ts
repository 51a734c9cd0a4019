import type { Mutant } from "./mutation.ts";

const FILE = "transport/native/socket-file";
const MODE = "transport/native/ipc-mode";

const ACCEPT = "transport/gate/await-accept";

/** What keeps a descriptor for libzmq's accept. */
export const ACCEPT_MUTANTS: readonly Mutant[] = [
  {
    rule: "0009",
    name: "nobody waits for libzmq's accept",
    edits: [["transport/gate/gate", "this.#descriptors.isScarce && awaitAccept(inner)", "false"]],
    hunt: [ACCEPT, "with few descriptors"],
  },
  {
    rule: "0009",
    name: "the greeting is not what was read",
    edits: [[ACCEPT, "greeting.subarray(0, bytes)", "Buffer.alloc(bytes)"]],
    hunt: [ACCEPT, "with few descriptors"],
  },
  {
    rule: "0009",
    name: "everybody waits for libzmq's accept",
    edits: [["transport/native/descriptors", "this.#free <= PLENTY", "true"]],
    hunt: [ACCEPT, "with plenty of descriptors"],
  },
];

const CLOSE_LINGER = "transport/close-linger";
const CHANNEL = "transport/channel";
const GATE = "transport/gate/gate";
/** A SUB with the linger of the others. */
const NATIVE_LINGER = ["transport/native/native", 'kind === "sub" ? 0 :', ""] as const;
const GATE_ENDS = "transport/gate/gate-ends";

/** What brings messages to peers that are still there when a socket closes. */
export const LINGER_MUTANTS: readonly Mutant[] = [
  {
    rule: "0011",
    name: "connections end with the last send",
    edits: [[CHANNEL, "const READ_MS = 100;", "const READ_MS = 0;"]],
    hunt: [CLOSE_LINGER, "a Router keeps connections"],
  },
  {
    rule: "0011",
    name: "only a ROUTER gives its peers time to read",
    edits: [[CHANNEL, '(kind === "router" || kind === "dealer")', '(kind === "router")']],
    hunt: [CLOSE_LINGER, "a Dealer keeps connections"],
  },
  {
    rule: "0011",
    name: "a Subscriber stays to deliver its subscriptions",
    edits: [NATIVE_LINGER],
    hunt: [CLOSE_LINGER, "a Subscriber does not stay"],
  },
  {
    rule: "0001",
    name: "a Subscriber that waits is woken when its subscriptions are given up",
    edits: [NATIVE_LINGER],
    hunt: ["contract/inproc-next-binder", "a Subscriber that waits gets the first message"],
  },
  {
    rule: "0004",
    name: "a gate that closes cuts off its peers",
    edits: [[GATE, "setTimeout(() => this.#cutOff(), lingerMs)", "setTimeout(this.#cutOff())"]],
    hunt: [CLOSE_LINGER, "gets all that ZeroMQ holds (gate)"],
  },
  {
    rule: "0004",
    name: "a gate that closes waits for its peers",
    edits: [[GATE, "await new Promise(setImmediate);", "await this.ended();"]],
    hunt: [CLOSE_LINGER, "an address behind a gate"],
  },
  {
    rule: "0004",
    name: "the end of libzmq's side is the end of the peer's",
    edits: [[GATE, "peer.destroySoon();", "peer.destroy();"]],
    hunt: [GATE_ENDS, "a peer gets all"],
  },
  {
    rule: "0004",
    name: "the end of the peer's side is the end of libzmq's",
    edits: [[GATE, "inner.destroySoon();", "inner.destroy();"]],
    hunt: [GATE_ENDS, "libzmq gets all"],
  },
];

/** What keeps other accounts from an ipc path, and from what its errors hide. */
export const IPC_MUTANTS: readonly Mutant[] = [
  {
    rule: "0059",
    name: "the file of a socket has the mode that the umask gives it",
    edits: [[FILE, "chmodSync(this.draft, MODE);", ""]],
    hunt: [MODE, "the path of a Pull is private to its account"],
  },
  {
    rule: "0059",
    name: "behind a gate too",
    edits: [[FILE, "chmodSync(this.draft, MODE);", ""]],
    hunt: [MODE, "the path of a Pull with a gate"],
  },
  {
    rule: "0059",
    name: "libzmq makes the file at its place",
    edits: [["transport/binder", "hasFile(path) ? place : null", "null"]],
    hunt: [MODE, "the path of a reliable Pull is"],
  },
  {
    rule: "0059",
    name: "the file is made where everybody may enter",
    edits: [[FILE, 'const draft = join(next, "s");', 'const draft = join(dirname(place), "s");']],
    hunt: [MODE, "before it has its mode"],
  },
  {
    rule: "0013",
    name: "nobody looks whether there is a directory",
    edits: [["transport/native/ipc-path", "await checkDirectory(dirname(place));", ""]],
    hunt: [MODE, "a missing directory is reported, with a gate"],
  },
];

/** What the system said, in one word and in a text. */
export const TEXT_MUTANTS: readonly Mutant[] = [
  {
    rule: "errors",
    name: "the code of the system is said twice",
    edits: [["transport/address-error", "message.includes(code)", "false"]],
    hunt: [MODE, "a missing directory is reported, with a gate"],
  },
];

/** What keeps strays from being peers. */
export const STRAY_MUTANTS: readonly Mutant[] = [
  {
    rule: "0004",
    name: "what does not speak ZMTP 3 is a peer",
    edits: [["transport/native/native", "native.zapDomain = ZAP_DOMAIN;", ""]],
    hunt: [
      "hostile/old-zmtp",
      "a Push without a gate ends connections that do not speak ZMTP 3 (tcp)",
    ],
  },
  {
    rule: "0004",
    name: "over ipc too",
    edits: [["transport/native/native", "native.zapDomain = ZAP_DOMAIN;", ""]],
    hunt: [
      "hostile/old-zmtp",
      "a Push without a gate ends connections that do not speak ZMTP 3 (ipc)",
    ],
  },
];

/** What names the peers of a ROUTER. */
export const ID_MUTANTS: readonly Mutant[] = [
  {
    rule: "0009",
    name: "with CURVE a peer keeps the id that it chose",
    edits: [["transport/curve/zap-request", 'property("Identity", randomRoutingId())', '""']],
    hunt: ["hostile/router-ids", "with CURVE the router assigns the ids"],
  },
];

/** What counts whom libzmq refuses. */
export const REFUSED_MUTANTS: readonly Mutant[] = (
  [
    ["only a gate counts", "this.#refused += 1;", ""],
    ["ends without a reason count too", 'side === "bound" && error !== null', 'side === "bound"'],
  ] as const
).map(([name, from, to]) => {
  const quarry = name.includes("reason") ? "a peer that only opens" : "with an unknown key";
  const hunt = ["hostile/refused-keys", quarry] as const;
  return { rule: "0004", name, edits: [["transport/monitor/peer-watch", from, to]], hunt };
});

/** What says that no descriptor is left. */
export const DESCRIPTOR_MUTANTS: readonly Mutant[] = [
  {
    rule: "errors",
    name: "the error of the system comes as it is",
    edits: [["transport/native/out-of-descriptors", "CODES.has(cause.code)", "false"]],
    hunt: ["transport/native/out-of-descriptors", "the system's error becomes BROKERLESS_NO_SPACE"],
  },
];
