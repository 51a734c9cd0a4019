import type { TestContext } from "node:test";
import type { BrokerlessError, TypedSocket } from "../../lib/index.ts";

/** Closes `socket` after the test, however it ends. */
export function open<S extends Pick<TypedSocket, "close">>(t: TestContext, socket: S): S {
  t.after(() => socket.close());
  return socket;
}

/** The next `count` values; leaves the rest to others. */
export async function take<T>(source: AsyncIterable<T>, count: number): Promise<T[]> {
  const taken: T[] = [];
  if (count === 0) return taken;
  for await (const value of source) {
    taken.push(value);
    if (taken.length === count) break;
  }
  return taken;
}

/** The numbers from 0 to below `count`. */
export function range(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

/** Gathers the `error` events of a socket. */
export function errorsOf(socket: TypedSocket): BrokerlessError[] {
  const errors: BrokerlessError[] = [];
  socket.on("error", (error) => errors.push(error));
  return errors;
}

/** A promise with its ends outside. */
export interface Gate<T = void> {
  readonly promise: Promise<T>;
  readonly open: (value: T) => void;
}

export function gate<T = void>(): Gate<T> {
  let open: (value: T) => void = () => {};
  const promise = new Promise<T>((resolve) => {
    open = resolve;
  });
  return { promise, open };
}
