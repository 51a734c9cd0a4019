import assert from "node:assert/strict";
import {
  Dealer,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  Subscriber,
  type TypedSocket,
} from "../../../lib/index.ts";
import { eventually } from "../../support/eventually.ts";

/** Constructs a socket of one role, with whatever options. */
export type AnyRole = new (
  options?: unknown,
) => Pick<TypedSocket, "close" | typeof Symbol.asyncDispose>;

/** The constructors of all eight roles. */
export const ROLES: readonly AnyRole[] = [
  Push,
  Pull,
  Publisher,
  Subscriber,
  Requester,
  Replier,
  Router,
  Dealer,
] as readonly unknown[] as AnyRole[];

/** Two sockets that belong together; the first one binds. */
export interface Couple {
  readonly bound: TypedSocket;
  readonly connected: TypedSocket;
  /** Begins everything that these two can wait for, and awaits nothing. */
  begin(): void;
}

/** Connects a couple over `address`; what begins afterwards arrives. */
export async function meet({ bound, connected }: Couple, address: string): Promise<void> {
  connected.connect(await bound.bind(address));
  await Promise.all([bound.ready(), connected.ready()]);
}

/** Resolves in the middle of what has begun: something has arrived. */
export async function arrived({ bound, connected }: Couple): Promise<void> {
  await eventually(() =>
    assert.ok(bound.stats().framesReceived + connected.stats().framesReceived > 0),
  );
}

function pushPull(): Couple {
  const push = new Push<string>({ queueBytesMax: 1_000 });
  const pull = new Pull<string>();
  const begin = (): void => {
    for (let index = 0; index < 100; index++) void push.send("x".repeat(100));
    void pull.receive();
    void pull.receive({ timeoutMs: 60_000 });
    void pull[Symbol.asyncIterator]().next();
    void pull.batches().next();
    void push.drain();
  };
  return { bound: pull, connected: push, begin };
}

function publisherSubscriber(): Couple {
  const publisher = new Publisher({ queueBytesMax: 1_000, slowSubscribers: "wait" });
  const subscriber = new Subscriber();
  subscriber.subscribe("#");
  const begin = (): void => {
    for (let index = 0; index < 100; index++) void publisher.publish("a", "x".repeat(100));
    void subscriber.receive();
    void subscriber[Symbol.asyncIterator]().next();
  };
  return { bound: publisher as unknown as TypedSocket, connected: subscriber, begin };
}

function requesterReplier(): Couple {
  const requester = new Requester<number, number>();
  const replier = new Replier<number, number>();
  const begin = (): void => {
    for (let index = 0; index < 100; index++) void requester.request(index);
    void replier.serve(() => new Promise<number>(() => {}));
    void requester.drain();
  };
  return { bound: replier, connected: requester, begin };
}

function routerDealer(): Couple {
  const router = new Router<string>({ queueBytesMax: 1_000 });
  const dealer = new Dealer<string>({ queueBytesMax: 1_000 });
  const begin = (): void => {
    for (let index = 0; index < 100; index++) {
      void dealer.send("x".repeat(100));
      void router.send("nobody", "x".repeat(100));
    }
    void router.receive();
    void dealer.receive();
  };
  return { bound: router, connected: dealer, begin };
}

/** A couple of each kind. */
export function openCouples(): Couple[] {
  return [pushPull(), publisherSubscriber(), requesterReplier(), routerDealer()];
}
