import { Pull, Push, Replier, Requester } from "brokerless";

const push = new Push();
const pull = new Pull();
pull.connect(await push.bind("tcp://127.0.0.1:*"));
await push.send({ answer: 42 });
console.log(await pull.receive());

const replier = new Replier();
const requester = new Requester();
void replier.serve((request) => request.toUpperCase());
requester.connect(await replier.bind("tcp://127.0.0.1:*"));
console.log(await requester.request("installed"));

for (const socket of [push, pull, replier, requester]) await socket.close();
