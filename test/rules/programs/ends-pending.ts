/** Ends in the way that it is told, with calls of every kind under way: with peers, and without. */
import { turn } from "../../support/eventually.ts";
import { arrived, meet, openCouples } from "./every-role.ts";

const how = process.argv[2];

const couples = openCouples();
for (const couple of couples) {
  await meet(couple, "tcp://127.0.0.1:*");
  couple.begin();
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
// In the middle of what has begun, and from a turn of its own.
await Promise.all(couples.map(arrived));
await turn();
setImmediate(() => {
  if (how === "throw") throw new RangeError("on purpose");
  process.exit(7);
});
