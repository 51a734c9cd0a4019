import { encode } from "msgpackr";
import {
  type BrokerlessError,
  Dealer,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  type SocketStats,
  Subscriber,
} from "../../lib/index.ts";
import { repeatUntil } from "../support/eventually.ts";

/** What all eight roles have in common, as far as it is used here. */
export interface Endpoint {
  bind(address: string): Promise<string>;
  unbind(address: string): Promise<void>;
  connect(address: string): void;
  ready(options?: { readonly timeoutMs?: number }): Promise<void>;
  close(): Promise<void>;
  stats(): SocketStats;
  on(event: "error", listener: (error: BrokerlessError) => void): () => void;
}

/** A socket under attack, a well-behaved peer, and what they say to each other meanwhile. */
export interface Pair {
  readonly victim: Endpoint;
  readonly friend: Endpoint;
  /** One message from one to the other, or there and back; resolves when it has arrived. */
  readonly exchange: (count: number) => Promise<void>;
  /** Ends what the pair does by itself. */
  readonly ended: () => Promise<unknown>;
}

/** How to attack one of the eight roles. */
export interface Role {
  readonly make: () => Pair;
  /** The type of the peers it talks to, on the wire. */
  readonly socketType: string;
  /** A message that it accepts from a peer, frame by frame. */
  readonly message: readonly Buffer[];
  /** Messages that it must refuse, each counted and reported. */
  readonly refused: readonly (readonly Buffer[])[];
}

/** Bytes of the longest message; ZeroMQ's own limit for a frame lies a mebibyte above. */
export const MESSAGE_BYTES_MAX = 1_000_000;
export const FRAME_BYTES_MAX: number = MESSAGE_BYTES_MAX + 2 ** 20;

const options = { messageBytesMax: MESSAGE_BYTES_MAX } as const;

const none = Buffer.alloc(0);
const value = encode(0);
const text = (words: string): Buffer => Buffer.from(words);
/** Bodies that are no MessagePack, or more of it than is good. */
const badBodies: readonly Buffer[] = [
  Buffer.from([0xc1]),
  Buffer.from([0xdb, 0xff, 0xff, 0xff, 0xff]),
  Buffer.from([0xdd, 0xff, 0xff, 0xff, 0xff]),
  Buffer.from([0xdf, 0xff, 0xff, 0xff, 0xff]),
  Buffer.from([0xc7, 0xff, 0x72]),
  Buffer.from([0xd4, 0x72, 0x40]),
  Buffer.alloc(100_000, 0x91),
  Buffer.concat(Array(100).fill(Buffer.from([0xdd, 0x01, 0xff, 0xff, 0xff]))),
];
const wrapped = (before: readonly Buffer[], after: readonly Buffer[] = []): Buffer[][] =>
  badBodies.map((body) => [...before, body, ...after]);

/** A reader that never stops, and tells when a number has come by; others' messages are passed over. */
class Ear {
  #wanted = -1;
  #heard: () => void = () => {};
  readonly ended: Promise<void>;

  /** @param each the values as they come, for as long as the socket is open */
  constructor(each: AsyncIterable<unknown>) {
    this.ended = this.#listen(each);
  }

  /** Calls `say` again and again until `count` has been heard: a hostile peer may have got it instead. */
  hear(count: number, say: () => Promise<unknown>): Promise<void> {
    this.#wanted = count;
    const hearing = new Promise<void>((resolve) => {
      this.#heard = resolve;
    });
    return repeatUntil(say, hearing);
  }

  async #listen(each: AsyncIterable<unknown>): Promise<void> {
    for await (const item of each) if (item === this.#wanted) this.#heard();
  }
}

async function* mapped<T>(
  each: AsyncIterable<T>,
  of: (item: T) => unknown,
): AsyncIterable<unknown> {
  for await (const item of each) yield of(item);
}

export const ROLES: Readonly<Record<string, Role>> = {
  Pull: {
    make: () => {
      const victim = new Pull<number>(options);
      const friend = new Push<number>(options);
      const ear = new Ear(victim);
      const exchange = (count: number) => ear.hear(count, () => friend.send(count));
      return { victim, friend, exchange, ended: () => ear.ended };
    },
    socketType: "PUSH",
    message: [value],
    refused: [[value, value], [none, value], ...wrapped([])],
  },
  Push: {
    make: () => {
      const victim = new Push<number>({ ...options, batch: false });
      const friend = new Pull<number>(options);
      const ear = new Ear(friend);
      const exchange = (count: number) => ear.hear(count, () => victim.send(count));
      return { victim, friend, exchange, ended: () => ear.ended };
    },
    socketType: "PULL",
    message: [value],
    refused: [],
  },
  Subscriber: {
    make: () => {
      const victim = new Subscriber<{ friend: number; hostile: number }>(options);
      const friend = new Publisher<{ friend: number }>(options);
      victim.subscribe("friend");
      victim.subscribe("hostile");
      const ear = new Ear(mapped(victim, (item) => item.value));
      const exchange = (count: number) => ear.hear(count, () => friend.publish("friend", count));
      return { victim, friend, exchange, ended: () => ear.ended };
    },
    socketType: "PUB",
    message: [text("hostile"), value],
    refused: [[text("hostile")], [text("hostile"), value, value], ...wrapped([text("hostile")])],
  },
  Publisher: {
    make: () => {
      const victim = new Publisher<{ friend: number }>(options);
      const friend = new Subscriber<{ friend: number }>(options);
      friend.subscribe("friend");
      const ear = new Ear(mapped(friend, (item) => item.value));
      const exchange = (count: number) => ear.hear(count, () => victim.publish("friend", count));
      return { victim, friend, exchange, ended: () => ear.ended };
    },
    socketType: "SUB",
    message: [text("\x01friend")],
    refused: [],
  },
  Requester: {
    make: () => {
      const victim = new Requester<number, number>(options);
      const friend = new Replier<number, number>(options);
      const serving = friend.serve(async (question) => question);
      // Answers come by themselves, so the ear is told of each; what a hostile replier got, times out.
      let heard: (count: number) => void = () => {};
      const exchange = (count: number): Promise<void> => {
        const hearing = new Promise<void>((resolve) => {
          heard = (answer) => {
            if (answer === count) resolve();
          };
        });
        const ask = (): void => {
          victim.request(count, { timeoutMs: 5000 }).then(
            (answer) => heard(answer),
            () => {},
          );
        };
        return repeatUntil(ask, hearing);
      };
      return { victim, friend, exchange, ended: () => serving };
    },
    socketType: "ROUTER",
    message: [Buffer.alloc(4), none, value],
    refused: [
      [value],
      [none, none, value],
      [Buffer.alloc(4), value],
      [Buffer.alloc(4), none],
      [Buffer.alloc(4), none, value, value],
    ],
  },
  Replier: {
    make: () => {
      const victim = new Replier<number, number>(options);
      const friend = new Requester<number, number>(options);
      const serving = victim.serve(async (question) => question + 1);
      const exchange = async (count: number): Promise<void> => {
        const answer = await friend.request(count, { resend: true });
        if (answer !== count + 1) throw new Error(`${answer} is the answer to another question`);
      };
      return { victim, friend, exchange, ended: () => serving };
    },
    socketType: "DEALER",
    message: [Buffer.alloc(4), none, value],
    refused: [
      [value],
      [Buffer.alloc(4), text("x"), value],
      [...Array<Buffer>(30).fill(text("e")), none, value],
      ...wrapped([Buffer.alloc(4), none]),
    ],
  },
  Router: {
    make: () => {
      const victim = new Router<number>(options);
      const friend = new Dealer<number>(options);
      const ear = new Ear(friend);
      const echoing = (async () => {
        for await (const { peer, value: said } of victim) victim.send(peer, said).catch(() => {});
      })();
      const exchange = (count: number) => ear.hear(count, () => friend.send(count));
      return { victim, friend, exchange, ended: () => Promise.all([ear.ended, echoing]) };
    },
    socketType: "DEALER",
    message: [value],
    refused: [[value, value], [none, value], ...wrapped([])],
  },
  Dealer: {
    make: () => {
      const victim = new Dealer<number>(options);
      const friend = new Router<number>(options);
      const ear = new Ear(victim);
      const echoing = (async () => {
        for await (const { peer, value: said } of friend) friend.send(peer, said).catch(() => {});
      })();
      const exchange = (count: number) => ear.hear(count, () => victim.send(count));
      return { victim, friend, exchange, ended: () => Promise.all([ear.ended, echoing]) };
    },
    socketType: "DEALER",
    message: [value],
    refused: [[value, value], [none, value], ...wrapped([])],
  },
};

/** What a socket has refused, whichever way it counts (count). */
export function refusedBy(stats: SocketStats): number {
  return stats.framesRefused + stats.messagesRefused;
}
