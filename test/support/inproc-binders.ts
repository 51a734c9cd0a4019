/** A thread in which sockets bind one inproc name one after another, and close. */
import { isMainThread, workerData } from "node:worker_threads";
import { Publisher, Pull, Push, Replier, type TypedSocket } from "../../lib/index.ts";
import { range } from "./fixtures.ts";

/** Sockets that bind, one after another (count). */
export const BINDERS = 40;

/** Their role; each serves one value. */
export type BinderRole =
  | "Push"
  | "Publisher"
  | "Pull"
  | "Replier"
  | "reliable Push"
  | "reliable Pull";

interface Binder {
  readonly socket: Pick<TypedSocket, "bind" | "close">;
  readonly serve: () => Promise<unknown>;
}

function push(reliable: boolean, value: number): Binder {
  if (reliable) {
    const socket = new Push<number>({ reliable });
    return { socket, serve: () => socket.send(value, { confirm: "processed" }) };
  }
  const socket = new Push<number>();
  const serve = async (): Promise<void> => {
    await socket.send(value);
    await socket.drain();
  };
  return { socket, serve };
}

function pull(reliable: boolean): Binder {
  const socket = reliable ? new Pull<number>({ reliable }) : new Pull<number>();
  // Who asks for the next one has processed the last.
  return { socket, serve: () => socket.receive() };
}

const ROLES: Readonly<Record<BinderRole, (value: number) => Binder>> = {
  Push: (value) => push(false, value),
  "reliable Push": (value) => push(true, value),
  Pull: () => pull(false),
  "reliable Pull": () => pull(true),
  Publisher: (value) => {
    const socket = new Publisher<{ t: number }>();
    const serve = async (): Promise<void> => {
      await socket.ready();
      await socket.publish("t", value);
      await socket.drain();
    };
    return { socket: socket as unknown as TypedSocket, serve };
  },
  Replier: () => {
    const socket = new Replier<number, number>();
    const serve = (): Promise<void> =>
      new Promise((resolve) => {
        void socket.serve((value) => {
          setImmediate(resolve);
          return value;
        });
      });
    const drained = (): Promise<void> => serve().then(() => socket.drain());
    return { socket, serve: drained };
  },
};

const { binders } = (isMainThread ? null : workerData) ?? {};
if (binders !== undefined) {
  for (const value of range(BINDERS)) {
    const { socket, serve } = ROLES[binders as BinderRole](value);
    await socket.bind(`inproc://binders-${binders}`.replace(" ", "-"));
    await serve();
    await socket.close();
  }
}
