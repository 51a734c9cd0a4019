import assert from "node:assert/strict";
import { test } from "node:test";
import { RemoteError, Replier, Requester } from "../../lib/index.ts";
import { cases, fromPython, meet, optionsOf, sampleValues } from "./cases.ts";
import { needsPython } from "./python.ts";

const COUNT = 50;
/** One request is one frame: batching makes no difference here. */
const unbatched = cases.filter((at) => !at.batch);
const batched = cases.filter((at) => at.batch);
const RELAXED = { REQ_CORRELATE: 1, REQ_RELAXED: 1 };

for (const at of batched) {
  test(`interop: Requester to REP: ${at.title}`, needsPython(), async (t) => {
    const { batch: _, ...options } = optionsOf(at);
    const requester = new Requester({ ...options, plainRepliers: true });
    const peer = await meet(t, requester, { kind: "rep", at });
    await requester.ready();

    // REP replies one after another, however many are asked at once.
    const requests = sampleValues(at.codec, COUNT);
    const echoed = peer.tell({ do: "echo", count: COUNT });
    const replies = await Promise.all(requests.map((request) => requester.request(request)));
    assert.deepEqual(replies, requests);
    await echoed;

    // A reply that Python has made, and not only passed back.
    const [request, value] = sampleValues(at.codec, COUNT).slice(-2);
    const reply = requester.request(request);
    assert.deepEqual((await peer.tell({ do: "receive" })).request, request);
    await peer.tell({ do: "reply", value });
    assert.deepEqual(await reply, fromPython(at.codec)(value));

    const refused = requester.request(request);
    await peer.tell({ do: "receive" });
    const error = { name: "ValueError", message: "no such thing", code: "E_NONE" };
    const rejected = assert.rejects(refused, (reason) => {
      assert.ok(reason instanceof RemoteError);
      const { message, remoteName, remoteCode } = reason;
      assert.deepEqual({ name: remoteName, message, code: remoteCode }, error);
      return true;
    });
    await peer.tell({ do: "fail", error });
    await rejected;
  });
}

for (const [kind, options] of [
  ["REQ", {}],
  ["REQ with REQ_CORRELATE and REQ_RELAXED", RELAXED],
] as const) {
  for (const at of unbatched) {
    test(`interop: ${kind} to Replier: ${at.title}`, needsPython(), async (t) => {
      const replier = new Replier(optionsOf(at));
      const peer = await meet(t, replier, { kind: "req", at, options });
      const seen: unknown[] = [];
      const serving = replier.serve((request) => {
        seen.push(request);
        return request;
      });

      const requests = sampleValues(at.codec, COUNT);
      for (const request of requests) {
        await peer.tell({ do: "send", request });
        assert.deepEqual((await peer.tell({ do: "receive" })).reply, request);
      }
      assert.deepEqual(seen, requests.map(fromPython(at.codec)));
      await replier.close();
      await serving;
    });
  }
}

test("interop: an error of a Replier's handler reaches a REQ", needsPython(), async (t) => {
  const at = cases[0]!;
  const replier = new Replier(optionsOf(at));
  const peer = await meet(t, replier, { kind: "req", at });
  void replier.serve(() => {
    throw Object.assign(new RangeError("too far"), { code: "E_FAR" });
  });
  await peer.tell({ do: "send", request: 1 });
  assert.deepEqual((await peer.tell({ do: "receive" })).error, {
    name: "RangeError",
    message: "too far",
    code: "E_FAR",
  });
});

test("interop: a relaxed REQ gets the reply to its last request", needsPython(), async (t) => {
  const at = cases[0]!;
  const replier = new Replier<string, string>();
  const peer = await meet(t, replier, { kind: "req", at, options: RELAXED });
  const first = latch();
  void replier.serve(async (request) => {
    // The first reply goes out after the second one was asked: REQ has to tell them apart.
    if (request === "second") first.open();
    else await first.opened;
    return `reply to ${request}`;
  });
  await peer.tell({ do: "send", request: "first" });
  await peer.tell({ do: "send", request: "second" });
  assert.equal((await peer.tell({ do: "receive" })).reply, "reply to second");
});

/** Something to wait for until it is opened. */
function latch(): { readonly opened: Promise<void>; readonly open: () => void } {
  let open = (): void => {};
  const opened = new Promise<void>((resolve) => {
    open = resolve;
  });
  return { opened, open };
}
