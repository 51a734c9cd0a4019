/** Constructs every socket with wrong options, catches what it throws, and goes on to its end. */
import { Pull, Push } from "../../../lib/index.ts";
import { ROLES } from "./every-role.ts";

const wrong: readonly unknown[] = [
  null,
  7,
  "options",
  [],
  { linger: 0 },
  { sendHighWaterMark: 1 },
  { context: {} },
  { lingerMs: -1 },
  { lingerMs: "1" },
  { heartbeatMs: Number.NaN },
  { queueBytesMax: 0 },
  { messageBytesMax: 2 ** 31 },
  { peerFramesMax: 1.5 },
  { codec: {} },
  { schema: {} },
  { security: "yes" },
  { security: { publicKey: "x" } },
  { __proto__: { polluted: true }, unknown: true },
];
for (const Role of ROLES) {
  for (const options of wrong) {
    try {
      new Role(options);
    } catch (error) {
      if (error instanceof TypeError) continue;
      throw error;
    }
    throw new Error(`${Role.name} accepted ${JSON.stringify(options)}`);
  }
}
await using push = new Push<number>();
await using pull = new Pull<number>();
push.connect(await pull.bind("tcp://127.0.0.1:*"));
await push.send(1);
console.log(`works on: ${await pull.receive()}`);
