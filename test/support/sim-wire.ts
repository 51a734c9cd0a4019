import type { LinkPeer } from "../../lib/transport/link-peer.ts";

/** A message of the simulated wire. */
export type Parts = readonly Buffer[];

/** One connection: two queues, whose rest is lost with it. */
export class SimWire {
  readonly toSender: Parts[] = [];
  readonly toReceiver: Parts[] = [];
  readonly senderEnd: LinkPeer = this.#end(this.toReceiver);
  readonly receiverEnd: LinkPeer = this.#end(this.toSender);
  isCut = false;

  #end(queue: Parts[]): LinkPeer {
    return {
      address: "simulated",
      isShared: false,
      name: null,
      send: (parts) => {
        if (!this.isCut) queue.push(parts.map((part) => Buffer.from(part)));
      },
      close: () => {},
      isFull: false,
      onRoom: () => {},
      forget: () => {},
    };
  }
}
