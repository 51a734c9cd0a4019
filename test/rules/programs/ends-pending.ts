/** Ends in the way that it is told, with calls of every kind under way: with peers, and without. */
import { openCouples } from "./every-role.ts";

const how = process.argv[2];

for (const { bound, connected, begin } of openCouples()) {
  connected.connect(await bound.bind("tcp://127.0.0.1:*"));
  await connected.ready();
  begin();
}
const lonely = openCouples();
for (const { bound, connected, begin } of lonely) {
  connected.connect("tcp://127.0.0.1:1");
  connected.connect("inproc://nobody");
  void bound.ready();
  void connected.ready();
  begin();
}

if (how === "exit") process.exit(7);
if (how === "throw") {
  setTimeout(() => {
    throw new RangeError("on purpose");
  }, 20);
}
if (how === "exit later") setTimeout(() => process.exit(7), 50);
