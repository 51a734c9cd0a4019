import { rmSync } from "node:fs";
import { createServer } from "node:net";
import { parentPort, workerData } from "node:worker_threads";
import { bindFreePath } from "../../lib/transport/native/ipc-path.ts";

/** Binds a path when told to, as libzmq does: whatever is there is removed. Says what came of it. */
const path = workerData as string;
parentPort!.on("message", async () => {
  const bind = (): void => {
    rmSync(path, { force: true });
    createServer().listen(path);
  };
  const said = await bindFreePath(path, bind).then(
    () => "bound",
    (error: NodeJS.ErrnoException) => error.code,
  );
  parentPort!.postMessage(said);
});
parentPort!.postMessage("ready");
