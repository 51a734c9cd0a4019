import { once } from "node:events";
import { createServer } from "node:net";

/** Whether `::1` can be bound: some containers have no IPv6. `.ci/run` looks for the same. */
export async function hasIpv6(): Promise<boolean> {
  const server = createServer();
  try {
    await once(server.listen(0, "::1"), "listening");
  } catch {
    return false;
  }
  server.close();
  return true;
}
