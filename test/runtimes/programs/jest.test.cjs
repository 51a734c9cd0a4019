const { Pull, Push } = require("brokerless");

test("a value arrives over inproc", async () => {
  const push = new Push();
  const pull = new Pull();
  pull.connect(await push.bind("inproc://jest"));
  await push.send({ text: "tested" });
  expect(await pull.receive()).toEqual({ text: "tested" });
  for (const socket of [push, pull]) await socket.close();
});
