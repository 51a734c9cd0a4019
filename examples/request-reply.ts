/** Requests and replies, many at once: `npx tsx examples/request-reply.ts`. */
import { setTimeout as delay } from "node:timers/promises";
import { BrokerlessError, RemoteError, Replier, Requester } from "../lib/index.ts";

type Request = { readonly divide: number; readonly by: number } | { readonly sleepMs: number };

await using replier = new Replier<Request, number>();
const address = await replier.bind("tcp://127.0.0.1:*");
// Runs until the socket is closed.
const serving = replier.serve(async (request, { signal }) => {
  if ("sleepMs" in request) return delay(request.sleepMs, 0, { signal });
  if (request.by === 0) throw new RangeError("cannot divide by zero");
  return request.divide / request.by;
});

await using requester = new Requester<Request, number>({ timeoutMs: 15_000 });
requester.connect(address);
await requester.ready();

// Any number of requests may be open; each gets its own reply.
const requests = [1, 2, 3, 4].map((by) => ({ divide: 12, by }));
const replies = await Promise.all(requests.map((request) => requester.request(request)));
console.log(`12 divided by 1, 2, 3, 4 is ${replies.join(", ")}`);

// An error thrown by the handler arrives as an error.
try {
  await requester.request({ divide: 1, by: 0 });
} catch (error) {
  if (!(error instanceof RemoteError)) throw error;
  console.log(`the replier says: ${error.remoteName}: ${error.message}`);
}

// A request that takes too long fails, and does not hold up the next one.
try {
  await requester.request({ sleepMs: 60_000 }, { timeoutMs: 50 });
} catch (error) {
  if (!(error instanceof BrokerlessError)) throw error;
  console.log(`gave up: ${error.code}`);
}
console.log(`and still 9 / 3 is ${await requester.request({ divide: 9, by: 3 })}`);

await requester.close();
await replier.close();
await serving;
