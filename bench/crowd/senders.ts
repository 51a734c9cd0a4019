/** The sending process of `npm run crowd`: one socket or many. */
import { Push, raw } from "../../lib/index.ts";
import { answerAll } from "../partner.ts";
import { Messages } from "../payload.ts";
import { cpuSeconds, type Opening, Sockets } from "./sockets.ts";

/** Length of every message (bytes). */
const MESSAGE_BYTES = 100;
/** Messages that a sender hands over before the next one's turn (count). */
const TURN = 256;
const DRAIN_MS_MAX = 120_000;

const messages = new Messages(MESSAGE_BYTES, 1);
const sockets = new Sockets<Push<Uint8Array>>();

const commands = {
  open(opening: Opening): Promise<string | null> {
    return sockets.open(opening, () => new Push({ codec: raw(), reliable: true }));
  },

  ready(peers: number): Promise<void> {
    return sockets.ready(peers);
  },

  /** Sends the messages `first` to `end - 1`, from each socket round-robin. @returns resolves when all are processed */
  async send({ first, end }: { readonly first: number; readonly end: number }): Promise<void> {
    const { all } = sockets;
    const turn = Math.min(TURN, Math.ceil((end - first) / all.length));
    for (let seq = first, index = 0; seq < end; index++) {
      const push = all[index % all.length]!;
      for (const turnEnd = Math.min(end, seq + turn); seq < turnEnd; seq++) {
        const message = messages.at(seq);
        if (!push.trySend(message)) await push.send(message);
      }
    }
    await Promise.all(all.map((push) => push.drain({ timeoutMs: DRAIN_MS_MAX })));
  },

  gone(): Promise<number> {
    return sockets.gone();
  },

  close(): Promise<void> {
    return sockets.close();
  },

  cpu(): number {
    return cpuSeconds();
  },
};

export type SendersCommands = typeof commands;

answerAll(commands);
