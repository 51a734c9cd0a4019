import { createInterface } from "node:readline";
import { Pull } from "../../lib/index.ts";

/** Takes one message, and answers for it when it is told to on stdin. Says what it is told of its lease. */
const pull = new Pull<string>({ reliable: true, prefetch: 1 });
pull.on("leaseLost", ({ seqFirst, seqLast }) => {
  process.stdout.write(`leaseLost ${seqFirst} ${seqLast}\n`);
});
pull.connect(process.argv[2]!);
process.stdout.write("start\n");
const { value: delivery } = await pull.deliveries().next();
process.stdout.write(`took ${delivery!.value}\n`);
for await (const _ of createInterface({ input: process.stdin })) {
  delivery!.ack();
  process.stdout.write(`acked ${delivery!.isHeld}\n`);
}
