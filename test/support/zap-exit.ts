/** A process that binds a CURVE server, closes it, and has nothing else to do. */
import { Pull } from "zeromq";
import { generateKeyPair } from "../../lib/transport/curve/curve.ts";
import { securityOption } from "../../lib/transport/curve/security.ts";
import { applySecurity, nativeOptions } from "../../lib/transport/curve/zap.ts";

const security = securityOption({ ...generateKeyPair(), allow: [] }, "security");
for (let round = 0; round < 2; round++) {
  const pull = new Pull(nativeOptions(security));
  pull.linger = 0;
  const guard = applySecurity(pull, security, () => {});
  await guard.ready();
  await pull.bind("tcp://127.0.0.1:*");
  pull.close();
  guard.release();
}
console.log("closed");
