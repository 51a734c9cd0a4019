import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { extname, join } from "node:path";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import type { Observer } from "zeromq";
import {
  bindTo,
  connectTo,
  disconnectFrom,
  errnoOf,
  monitorOf,
  uninterrupted,
} from "../../../lib/transport/native/errno.ts";
import { WATCHDOG_MS } from "../../support/watchdog.ts";

const ADDRESS = "tcp://127.0.0.1:5555";

function zeromqError(code: string): Error {
  return Object.assign(new Error(code), { code });
}

/** A native socket whose calls fail one after another with these codes, and then succeed. */
class Interrupted {
  /** Calls, with what they returned or threw. */
  readonly calls: string[] = [];
  readonly monitor = {} as Observer;
  readonly #codes: string[];

  constructor(...codes: string[]) {
    this.#codes = codes;
  }

  connect = (address: string): void => this.#call(`connect ${address}`);
  disconnect = (address: string): void => this.#call(`disconnect ${address}`);
  bindSync = (address: string): void => this.#call(`bindSync ${address}`);

  get events(): Observer {
    this.#call("events");
    return this.monitor;
  }

  #call(name: string): void {
    const code = this.#codes.shift();
    this.calls.push(code === undefined ? name : `${name}: ${code}`);
    if (code !== undefined) throw zeromqError(code);
  }
}

const CALLS = {
  connect: connectTo,
  disconnect: disconnectFrom,
  bindSync: bindTo,
} as const satisfies Record<string, (native: Interrupted, address: string) => void>;

for (const [name, call] of Object.entries(CALLS)) {
  test(`errno: ${name} is repeated after a signal until it has been done once`, () => {
    const native = new Interrupted("EINTR", "EINTR");
    call(native, ADDRESS);
    const made = `${name} ${ADDRESS}`;
    assert.deepEqual(native.calls, [`${made}: EINTR`, `${made}: EINTR`, made]);
  });

  test(`errno: ${name} throws other errors at once`, () => {
    const native = new Interrupted("ENOENT");
    assert.throws(() => call(native, ADDRESS), { code: "ENOENT" });
    assert.equal(native.calls.length, 1);
  });
}

test("errno: a monitor is started again after a signal", () => {
  const native = new Interrupted("EINTR");
  assert.equal(monitorOf(native), native.monitor);
  assert.deepEqual(native.calls, ["events: EINTR", "events"]);
});

test("errno: a monitor waits until libzmq has freed the name of the one that a signal left", () => {
  const native = new Interrupted("EINTR", "EADDRINUSE", "EINTR", "EADDRINUSE");
  assert.equal(monitorOf(native), native.monitor);
  assert.equal(native.calls.length, 5);
});

test("errno: a monitor that cannot be started is an error", () => {
  const native = new Interrupted("EMFILE");
  assert.throws(() => monitorOf(native), { code: "EMFILE" });
  assert.equal(native.calls.length, 1);
});

test("errno: a name that is never freed ends the start of a monitor", () => {
  const native = new Interrupted(...Array<string>(1_000).fill("EADDRINUSE"));
  assert.throws(() => monitorOf(native), { code: "EADDRINUSE" });
});

test("errno: a call that is interrupted for ever is a fault", () => {
  let calls = 0;
  const endless = (): never => {
    calls += 1;
    throw zeromqError("EINTR");
  };
  assert.throws(() => uninterrupted(endless), { code: "EINTR" });
  assert.equal(calls, 1_000);
});

test("errno: an error without a code has no errno", () => {
  assert.equal(errnoOf(zeromqError("EAGAIN")), "EAGAIN");
  assert.equal(errnoOf(new Error("EAGAIN")), "");
  assert.equal(errnoOf("EAGAIN"), "");
});

test("errno: a profiled process connects, disconnects, and watches sockets", (t) => {
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const errno = new URL("../../../lib/transport/native/errno.ts", import.meta.url).href;
  // A signal arrives in one of some thousand calls.
  const program = `
    import { Dealer } from "zeromq";
    import { connectTo, disconnectFrom, monitorOf } from ${JSON.stringify(errno)};
    const dealer = new Dealer({ linger: 0 });
    for (let count = 0; count < 40_000; count++) {
      connectTo(dealer, "inproc://nobody");
      disconnectFrom(dealer, "inproc://nobody");
    }
    for (let count = 0; count < 500; count++) {
      const watched = new Dealer({ linger: 0 });
      const ended = new Promise((resolve) => monitorOf(watched).on("end", resolve));
      watched.close();
      await ended;
    }
    process.exit(0);`;
  const profile = ["--cpu-prof", "--cpu-prof-interval=50", `--cpu-prof-dir=${directory}`];
  const args = ["--import", "tsx", ...profile, "--input-type=module", "--eval", program];
  const { status, stderr } = spawnSync(process.execPath, args, {
    encoding: "utf8",
    timeout: WATCHDOG_MS,
  });
  assert.equal(status, 0, stderr);
});

const LIB = fileURLToPath(new URL("../../../lib/", import.meta.url));
const HOME = join("transport", "native", "errno");
/** Of the sources, or of what was compiled from them. */
const ENDING = extname(import.meta.url);
/** Other classes with methods of these names; their fields and variables are called so everywhere. */
const OTHERS = /(?:connector|channel|hub|endpoints|inproc)$/;

/** The calls in a source text that a signal to the process could make fail. */
function unprotected(source: string): string[] {
  const code = source.replaceAll(/\/\*[\s\S]*?\*\/|\/\/.*/g, "");
  const found: string[] = [];
  for (const [call, owner] of code.matchAll(/([\w$]+)\??\.(?:connect|disconnect)\(/g)) {
    if (!OTHERS.test(owner!)) found.push(call);
  }
  found.push(...(code.match(/\.bindSync\(/g) ?? []));
  const natives = /\b(?:native|server|socket|push|pull|probe|dealer|router)\b/.source;
  const monitors = `${natives}\\??\\.events\\b|\\bevents\\b[^{}=;]*\\} = (?:this\\.#?)?${natives}`;
  found.push(...(code.match(new RegExp(monitors, "g")) ?? []));
  const states = new RegExp(`(.*)${natives}\\??\\.(?:readable|writable)\\b`, "g");
  for (const [line, before] of code.matchAll(states)) {
    if (!before!.includes("uninterrupted(() =>")) found.push(line.trim());
  }
  return found;
}

test("errno: no other file calls what a signal can interrupt", () => {
  const files = readdirSync(LIB, { recursive: true, encoding: "utf8" })
    .filter((name) => /(?<!\.d)\.[jt]s$/.test(name))
    .filter((name) => !name.startsWith(`${HOME}.`));
  assert.ok(files.length > 100, `only ${files.length} files found`);
  for (const file of files) {
    assert.deepEqual(unprotected(readFileSync(join(LIB, file), "utf8")), [], file);
  }
});

test("errno: control: a call that a signal can interrupt is found", () => {
  assert.equal(unprotected(readFileSync(join(LIB, `${HOME}${ENDING}`), "utf8")).length, 4);
  const calls = [
    "native.connect(place);",
    "this.#native.disconnect(NOWHERE);",
    "if (!this.#socket.closed) this.#socket.disconnect(ZAP_ENDPOINT);",
    "probe.bindSync(address);",
    "this.#options.native.events.on(name);",
    "const { events } = native;",
    "const { events, closed } = this.#socket;",
    "const readable = this.#native.readable;",
    "if (idle) router.writable;",
  ];
  for (const call of calls) assert.equal(unprotected(call).length, 1, call);
  const others = [
    "dealer.channel.connect(address);",
    "this.#connector.disconnect(address);",
    "connect: (address) => hub.connect(address),",
    "uninterrupted(() => this.#native.readable || this.#native.writable);",
    "// native.connect(place);",
    "this.events.emit(name);",
  ];
  for (const call of others) assert.deepEqual(unprotected(call), [], call);
});
