import { Pull } from "../../lib/index.ts";

/** Works on what it gets, and is killed by poison at once: it has no time to say that it began. */
const pull = new Pull<string>({ reliable: true });
pull.connect(process.argv[2]!);
await pull.run((value) => {
  if (value === "poison") process.kill(process.pid, "SIGKILL");
});
