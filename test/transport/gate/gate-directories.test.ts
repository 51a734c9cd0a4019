import assert from "node:assert/strict";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync } from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { innerPathOf, sweepGateDirectories } from "../../../lib/transport/gate/gate-directories.ts";

async function serve(path: string): Promise<Server> {
  const server = createServer((socket) => socket.destroy());
  server.listen(path);
  await once(server, "listening");
  return server;
}

test("gate directories: those that nobody serves are removed, and no others", async (t) => {
  if (process.platform === "win32") return t.skip("unix sockets");
  const root = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(root, { recursive: true }));
  const place = (name: string): string => {
    const directory = join(root, name);
    mkdirSync(directory, { mode: 0o700 });
    return directory;
  };
  // The first of these processes cannot be: Linux has no such number.
  const [dead, own, live, fresh, foreign] = [
    place("brokerless-gate-99999999-dead"),
    place(`brokerless-gate-${process.pid}-own`),
    place("brokerless-gate-99999999-live"),
    place("brokerless-gate-99999999-new"),
    place("something-else"),
  ];
  for (const directory of [dead!, own!, foreign!]) {
    // As a process that was killed leaves it.
    const server = await serve(join(root, "served"));
    renameSync(join(root, "served"), innerPathOf(directory));
    server.close();
    await once(server, "close");
  }
  const server = await serve(innerPathOf(live!));
  t.after(() => server.close());
  await sweepGateDirectories(root);
  const left = [dead, own, live, fresh, foreign].map((directory) => existsSync(directory!));
  assert.deepEqual(left, [false, true, true, true, true]);
});
