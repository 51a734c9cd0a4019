import { Pull, Push, type Socket } from "zeromq";
import { BrokerlessError } from "../errors.ts";
import { decodeKey, generateKeyPair, type KeyPair } from "./curve.ts";
import { ClientIdentity, ServerIdentity } from "./security.ts";
import type { SecuredContext } from "./zap.ts";
import { listPolicy } from "./zap-policy.ts";

const TIMEOUT_MS = 5000;

/**
 * Knocks at a throw-away server of the context with two keys: a stranger's must be refused, a friend's
 * admitted. A libzmq, a build or a change of ours that does not check keys is found before it serves.
 *
 * @throws BrokerlessError `BROKERLESS_SECURITY` when it was otherwise, or there was no answer in 5 s
 */
export async function selfTest(secured: SecuredContext): Promise<void> {
  const friend = generateKeyPair();
  const keys = generateKeyPair();
  const identity = new ServerIdentity(keys, listPolicy([decodeKey(friend.publicKey) as Buffer]));
  const server = new Pull({ context: secured.native });
  const doorbell = new Doorbell();
  const domain = secured.register({
    admits: (key) => identity.admits(key),
    lost: () => doorbell.ring("not answered"),
  });
  try {
    server.linger = 0;
    identity.applyTo(server, domain.name);
    doorbell.attach(server);
    await server.bind("tcp://127.0.0.1:*");
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

type Verdict = "admitted" | "refused" | "not answered";

interface Knock {
  readonly client: KeyPair;
  readonly serverKey: string;
  readonly address: string;
}

async function knock(doorbell: Doorbell, { client, serverKey, address }: Knock): Promise<Verdict> {
  const push = new Push();
  try {
    push.linger = 0;
    // One attempt only: a refused client must not knock again during the next test.
    push.reconnectInterval = -1;
    new ClientIdentity(client, serverKey).applyTo(push);
    const verdict = doorbell.next();
    push.connect(address);
    return await verdict;
  } finally {
    push.close();
  }
}

/** Hears what became of each client at a server. */
class Doorbell {
  #answer: ((verdict: Verdict) => void) | null = null;
  #broken = false;

  attach(server: Socket): void {
    server.events.on("handshake", () => this.ring("admitted"));
    server.events.on("handshake:error:auth", () => this.ring("refused"));
  }

  ring(verdict: Verdict): void {
    this.#broken ||= verdict === "not answered";
    this.#answer?.(verdict);
  }

  next(): Promise<Verdict> {
    if (this.#broken) return Promise.resolve("not answered");
    return new Promise((resolve) => {
      const timer = setTimeout(() => this.ring("not answered"), TIMEOUT_MS);
      this.#answer = (verdict) => {
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
