/** What ZeroMQ's heartbeats do to a PULL that stands still at its high-water mark, and then goes on. */
import { Pull } from "zeromq";
import { frame } from "../../support/zmtp-frames.ts";
import { listenZmtp } from "../../support/zmtp-peer.ts";

const FRAMES = 20;

// Answers every ping, but behind messages that are not read. When it is connected to again it says nothing.
const { address } = await listenZmtp((peer, count) => {
  if (count > 1) return;
  void peer.handshake({ socketType: "PUSH" }).then(() => {
    for (let index = 0; index < FRAMES; index++) void peer.write(frame(Buffer.alloc(16_384)));
  });
});
const pull = new Pull({ linger: 0, receiveHighWaterMark: 4, heartbeatInterval: 20 });
let connections = 0;
const again = new Promise<void>((resolve) => {
  pull.events.on("connect", () => {
    connections += 1;
    if (connections === 2) resolve();
  });
});
pull.connect(address);
await pull.receive();
await again;
for (;;) await pull.receive();
