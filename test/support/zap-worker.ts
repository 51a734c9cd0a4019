/** A process whose worker threads end with a CURVE server open: while it is being tested, and after. */
import { isMainThread, Worker, workerData } from "node:worker_threads";

const self = new URL(import.meta.url).href;
const tsx = import.meta.resolve("tsx/esm/api");
const boot = `import { register } from "${tsx}"; register(); await import("${self}");`;

if (isMainThread) {
  for (const when of ["testing", "bound"]) {
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(boot)}`), {
      workerData: when,
    });
    await new Promise((resolve) => worker.on("exit", resolve));
    console.log(when);
  }
} else {
  const { Pull } = await import("zeromq");
  const { generateKeyPair } = await import("../../lib/transport/curve/curve.ts");
  const { securityOption } = await import("../../lib/transport/curve/security.ts");
  const { applySecurity, nativeOptions } = await import("../../lib/transport/curve/zap.ts");
  const security = securityOption({ ...generateKeyPair(), allow: [] }, "security");
  const pull = new Pull(nativeOptions(security));
  const guard = applySecurity(pull, security, () => {});
  process.on("exit", () => pull.close());
  if (workerData === "testing") setImmediate(() => process.exit(0));
  await guard.ready();
  process.exit(0);
}
