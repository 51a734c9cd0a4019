import { type Context, Pull, Push, type Socket } from "zeromq";
import { BrokerlessError } from "../../errors.ts";
import { forgetChannel, rememberChannel } from "../native/channel-registry.ts";
import { bindTo, connectTo, monitorOf } from "../native/errno.ts";
import { decodeKey, generateKeyPair, type KeyPair } from "./curve.ts";
import { ClientIdentity, ServerIdentity } from "./security.ts";
import type { ZapDomain, ZapRegistration } from "./zap-domain.ts";
import { listPolicy } from "./zap-policy.ts";

const TIMEOUT_MS = 5000;

/** A context with a ZAP handler for its domains. */
export interface TestedContext {
  readonly native: Context;
  register(registration: ZapRegistration): ZapDomain;
}

/**
 * Connects to a temporary server of the context with two keys: an unknown one, which must be
 * refused, and a listed one, which must be admitted. So a libzmq, a build or a change that does not
 * check keys is detected before it serves.
 *
 * @throws BrokerlessError `BROKERLESS_SECURITY` when a result was wrong, or there was none within 5
 *   s
 */
export async function selfTest(secured: TestedContext): Promise<void> {
  const friend = generateKeyPair();
  const keys = generateKeyPair();
  const identity = new ServerIdentity(keys, listPolicy([decodeKey(friend.publicKey) as Buffer]));
  const server = new Pull({ context: secured.native });
  remember(server);
  const doorbell = new Doorbell();
  const domain = secured.register({
    admits: (key) => identity.admits(key),
    lost: () => doorbell.ring("not judged"),
  });
  try {
    server.linger = 0;
    identity.applyTo(server, domain.name);
    doorbell.attach(server);
    bindTo(server, "tcp://127.0.0.1:*");
    const address = server.lastEndpoint ?? "";
    for (const [client, wanted] of [
      [generateKeyPair(), "refused"],
      [friend, "admitted"],
    ] as const) {
      const seen = await knock(doorbell, { client, serverKey: keys.publicKey, address });
      if (seen !== wanted) throw failed(`a client that had to be ${wanted} was ${seen}`);
    }
  } catch (error) {
    if (error instanceof BrokerlessError) throw error;
    throw failed("it could not run", error);
  } finally {
    domain.release();
    server.close();
  }
}

type Verdict = "admitted" | "refused" | "not judged";

interface Knock {
  readonly client: KeyPair;
  readonly serverKey: string;
  readonly address: string;
}

/**
 * A worker thread may end in the middle of the test, and an open socket then aborts the process. So
 * does its monitor, which ends shortly after the socket was closed.
 */
function remember(socket: Socket): void {
  // A closed socket would create a new monitor, which throws.
  const events = monitorOf(socket);
  const closable = {
    closeNow: (): void => socket.close(),
    closeMonitor: (): void => events.close(),
  };
  rememberChannel(closable);
  events.on("end", () => forgetChannel(closable));
}

async function knock(doorbell: Doorbell, { client, serverKey, address }: Knock): Promise<Verdict> {
  const push = new Push();
  try {
    remember(push);
    push.linger = 0;
    // One attempt only: a refused client must not connect again during the next test.
    push.reconnectInterval = -1;
    new ClientIdentity(client, serverKey).applyTo(push);
    const verdict = doorbell.next();
    connectTo(push, address);
    return await verdict;
  } finally {
    push.close();
  }
}

/** Receives the result of each client's handshake at a server. */
class Doorbell {
  #reply: ((verdict: Verdict) => void) | null = null;
  #broken = false;

  attach(server: Socket): void {
    const events = monitorOf(server);
    events.on("handshake", () => this.ring("admitted"));
    events.on("handshake:error:auth", () => this.ring("refused"));
  }

  ring(verdict: Verdict): void {
    this.#broken ||= verdict === "not judged";
    this.#reply?.(verdict);
  }

  next(): Promise<Verdict> {
    if (this.#broken) return Promise.resolve("not judged");
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.ring("not judged"), TIMEOUT_MS);
      this.#reply = (verdict) => {
        clearTimeout(timer);
        resolve(verdict);
      };
    });
  }
}

function failed(what: string, cause?: unknown): BrokerlessError {
  return new BrokerlessError("BROKERLESS_SECURITY", `the self-test of CURVE failed: ${what}`, {
    cause,
  });
}
