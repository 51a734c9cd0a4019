/** A thread in which a socket of any role binds and closes, or connects, as it is told. */
import { isMainThread, parentPort, workerData } from "node:worker_threads";
import type { TypedSocket } from "../../lib/index.ts";
import type { Role } from "../../lib/role.ts";
import { ROLES } from "./roles.ts";

/** What the thread does next; it replies with the same word when that is done. */
export type Step = "bind" | "close" | "ready" | "end";

/** The socket of the thread. */
export interface Returning {
  /** Plays the peer of this role. */
  readonly peerOf: Role;
  readonly address: string;
  /** Whether it connects, once, instead of binding. */
  readonly connects: boolean;
}

/** For a wait that never ends where a connection is not made again (milliseconds). */
export const NEVER_MS = 20_000;

function serve({ peerOf, address, connects }: Returning): void {
  const { makePeer } = ROLES.find(({ role }) => role === peerOf)!;
  let socket: TypedSocket | null = null;
  if (connects) {
    socket = makePeer();
    socket.connect(address);
  }
  const steps: Record<Step, () => Promise<unknown>> = {
    bind: async () => {
      socket = makePeer();
      await socket.bind(address);
    },
    close: async () => await socket?.close(),
    ready: async () => await socket?.ready({ timeoutMs: NEVER_MS }),
    end: async () => {
      await socket?.close();
      setImmediate(() => parentPort?.close());
    },
  };
  parentPort?.on("message", (step: Step) => {
    void steps[step]().then(
      () => parentPort?.postMessage(step),
      (error: Error) => parentPort?.postMessage(error.message),
    );
  });
}

if (!isMainThread && workerData?.peerOf !== undefined) serve(workerData);
