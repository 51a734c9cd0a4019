/** Closes sockets in every state, with calls of every kind under way that nobody awaits. */
import { arrived, meet, openCouples } from "./every-role.ts";

for (const address of [
  "tcp://127.0.0.1:*",
  `ipc://@brokerless-closes-pending-${process.pid}`,
  "inproc://closes",
]) {
  for (const { bound, connected, begin } of openCouples()) {
    begin();
    void bound.close();
    void connected.close();
  }
  for (const { bound, connected, begin } of openCouples()) {
    connected.connect(await bound.bind(address));
    void bound.ready({ peers: 5 });
    begin();
    await Promise.all([connected.close(), bound.close()]);
    begin();
    await connected.close();
  }
  for (const couple of openCouples()) {
    await meet(couple, address);
    couple.begin();
    await arrived(couple);
    await Promise.all([couple.bound.close(), couple.connected.close()]);
  }
}
for (const { bound, connected } of openCouples()) {
  connected.connect("inproc://never-bound");
  connected.connect("tcp://127.0.0.1:1");
  await Promise.all([bound.close(), connected.close()]);
}
console.log("closed");
