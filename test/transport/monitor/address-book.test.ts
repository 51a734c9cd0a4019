import assert from "node:assert/strict";
import { test } from "node:test";
import { AddressBook } from "../../../lib/transport/monitor/address-book.ts";

function setUp(bound: readonly string[], connected: readonly string[]): AddressBook {
  const endpoints = new AddressBook();
  for (const address of bound) endpoints.addBound(address);
  for (const address of connected) endpoints.addConnected(address);
  return endpoints;
}

test("endpoints: an event is matched to the address that it names", () => {
  const endpoints = setUp(["tcp://127.0.0.1:1"], ["ipc:///tmp/x"]);
  assert.deepEqual(endpoints.find("tcp://127.0.0.1:1"), {
    address: "tcp://127.0.0.1:1",
    side: "bound",
  });
  assert.deepEqual(endpoints.find("ipc:///tmp/x"), { address: "ipc:///tmp/x", side: "connected" });
  assert.equal(endpoints.find("tcp://127.0.0.1:2"), null);
});

test("endpoints: an event about a released endpoint matches nothing", () => {
  const endpoints = setUp(["tcp://127.0.0.1:1"], ["tcp://127.0.0.1:2"]);
  assert.equal(endpoints.deleteBound("tcp://127.0.0.1:1"), true);
  assert.equal(endpoints.deleteBound("tcp://127.0.0.1:1"), false);
  assert.equal(endpoints.deleteConnected("tcp://127.0.0.1:2"), true);
  assert.equal(endpoints.deleteConnected("tcp://127.0.0.1:2"), false);
  assert.equal(endpoints.find("tcp://127.0.0.1:1"), null);
  assert.equal(endpoints.find("tcp://127.0.0.1:2"), null);
});

test("endpoints: an event about a bound wildcard names the interface of the connection", () => {
  for (const [bound, reported] of [
    ["tcp://0.0.0.0:5", "tcp://10.0.0.1:5"],
    ["tcp://[::]:5", "tcp://[::1]:5"],
  ]) {
    const endpoints = setUp([bound!], []);
    assert.deepEqual(endpoints.find(reported!), { address: bound, side: "bound" });
    assert.equal(endpoints.find(reported!.replace(":5", ":50")), null);
  }
});

test("endpoints: a host name is matched to the IP address that was set for it, and to no other", () => {
  const endpoints = new AddressBook();
  endpoints.addConnected("tcp://localhost:6", true);
  assert.equal(endpoints.placeOf("tcp://localhost:6"), null);
  endpoints.learn("tcp://10.0.0.1:6");
  assert.equal(endpoints.find("tcp://10.0.0.1:6"), null);
  endpoints.move("tcp://localhost:6", "tcp://[::1]:6");
  endpoints.move("tcp://localhost:6", "tcp://127.0.0.1:6");
  assert.equal(endpoints.find("tcp://127.0.0.1:6")?.address, "tcp://localhost:6");
  assert.equal(endpoints.find("tcp://[::1]:6"), null);
  assert.equal(endpoints.placeOf("tcp://localhost:6"), "tcp://127.0.0.1:6");
  endpoints.deleteConnected("tcp://localhost:6");
  assert.equal(endpoints.find("tcp://127.0.0.1:6"), null);
});

test("endpoints: two hosts with the same port are learned one after the other", () => {
  const endpoints = setUp(["tcp://0.0.0.0:5"], ["tcp://[0::1]:5", "tcp://[0::2]:5"]);
  endpoints.learn("tcp://10.0.0.1:5");
  endpoints.learn("tcp://10.0.0.2:5");
  assert.equal(endpoints.find("tcp://10.0.0.1:5")?.address, "tcp://[0::1]:5");
  assert.equal(endpoints.find("tcp://10.0.0.2:5")?.address, "tcp://[0::2]:5");
  assert.equal(endpoints.find("tcp://10.0.0.3:5")?.side, "bound");
});

test("endpoints: an address that fits no connected host is not learned", () => {
  const endpoints = setUp([], ["tcp://[0::1]:5", "ipc:///tmp/a:5"]);
  endpoints.learn("tcp://10.0.0.1:6");
  endpoints.learn("ipc:///tmp/b:5");
  assert.equal(endpoints.find("tcp://10.0.0.1:6"), null);
  assert.equal(endpoints.find("ipc:///tmp/b:5"), null);
});
