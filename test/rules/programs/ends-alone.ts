/** Uses every role, each in a block of its own, and has nothing else to do. */
import { openCouples, ROLES } from "./every-role.ts";

for (const Role of ROLES) {
  await using _socket = new Role();
}
for (const { bound, connected } of openCouples()) {
  await using one = bound;
  await using other = connected;
  other.connect(await one.bind("tcp://127.0.0.1:*"));
  await other.ready();
}
console.log("done");
