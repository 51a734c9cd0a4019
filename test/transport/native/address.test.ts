import assert from "node:assert/strict";
import { describe, test } from "node:test";
import { type AddressUse, checkAddress } from "../../../lib/transport/native/address.ts";

const both: readonly AddressUse[] = ["bind", "connect"];

describe("address", () => {
  const accepted: readonly [string, AddressUse | "both", object][] = [
    ["tcp://127.0.0.1:*", "bind", { transport: "tcp", loopback: true }],
    ["tcp://127.0.0.1:0", "bind", { transport: "tcp", loopback: true }],
    ["tcp://*:5555", "bind", { transport: "tcp", loopback: false }],
    ["tcp://0.0.0.0:5555", "bind", { transport: "tcp", loopback: false }],
    ["tcp://[::]:5555", "bind", { transport: "tcp", loopback: false, ipv6: true }],
    ["tcp://127.255.0.9:1", "both", { transport: "tcp", loopback: true, ipv6: false }],
    ["tcp://[::1]:5555", "both", { transport: "tcp", loopback: true, ipv6: true }],
    ["tcp://[0:0:0:0:0:0:0:1]:5555", "both", { transport: "tcp", loopback: true }],
    ["tcp://[::ffff:127.0.0.1]:5555", "both", { transport: "tcp", loopback: true }],
    ["tcp://[fe80::1%eth0]:5555", "both", { transport: "tcp", loopback: false }],
    ["tcp://localhost:65535", "both", { transport: "tcp", loopback: true }],
    ["tcp://LocalHost:1", "both", { transport: "tcp", loopback: true }],
    ["tcp://localhost.example.org:1", "both", { transport: "tcp", loopback: false }],
    ["tcp://eth0:5555", "both", { transport: "tcp", loopback: false }],
    ["tcp://host-1.example_x.org:5555", "both", { transport: "tcp", loopback: false }],
    ["tcp://192.168.1.7:5555", "both", { transport: "tcp", loopback: false }],
    ["ipc:///run/app.sock", "both", { transport: "ipc", loopback: true }],
    ["ipc://relative path.sock", "both", { transport: "ipc", loopback: true }],
    ["ipc://@abstract", "both", { transport: "ipc", loopback: true }],
    [`ipc:///${"p".repeat(106)}`, "both", { transport: "ipc" }],
    ["inproc://name", "both", { transport: "inproc", loopback: true }],
    [`inproc://${"n".repeat(200)}`, "both", { transport: "inproc" }],
  ];

  for (const [text, use, wanted] of accepted) {
    test(`address: ${text.slice(0, 40)} is accepted for ${use}`, () => {
      for (const each of use === "both" ? both : [use]) {
        const address = checkAddress(text, each, "address");
        assert.deepEqual({ ...address, ...wanted }, address);
        assert.equal(address.text, text);
      }
    });
  }

  const refused: readonly [unknown, AddressUse | "both", RegExp][] = [
    [undefined, "both", /must be a string such as/],
    [5555, "both", /must be a string such as/],
    ["", "both", /must be "tcp:\/\//],
    ["127.0.0.1:5555", "both", /must be "tcp:\/\//],
    ["TCP://127.0.0.1:5555", "both", /must be "tcp:\/\//],
    ["udp://127.0.0.1:5555", "both", /must be "tcp:\/\//],
    ["pgm://eth0;239.0.0.1:5555", "both", /must be "tcp:\/\//],
    ["epgm://eth0;239.0.0.1:5555", "both", /must be "tcp:\/\//],
    ["ws://127.0.0.1:5555", "both", /must be "tcp:\/\//],
    ["vmci://*:5555", "both", /must be "tcp:\/\//],
    ["tcp://127.0.0.1", "both", /"tcp:\/\/host:port"/],
    ["tcp://127.0.0.1:", "both", /a port from 1 to 65535/],
    ["tcp://127.0.0.1:65536", "both", /a port from 1 to 65535/],
    ["tcp://127.0.0.1:-1", "both", /a port from 1 to 65535/],
    ["tcp://127.0.0.1:1e3", "both", /a port from 1 to 65535/],
    ["tcp://127.0.0.1:080", "both", /a port from 1 to 65535/],
    ["tcp://127.0.0.1:http", "both", /a port from 1 to 65535/],
    ["tcp://127.0.0.1:*", "connect", /a port from 1 to 65535/],
    ["tcp://127.0.0.1:0", "connect", /a port from 1 to 65535/],
    ["tcp://*:5555", "connect", /not a wildcard/],
    ["tcp://0.0.0.0:5555", "connect", /not a wildcard/],
    ["tcp://[::]:5555", "connect", /not a wildcard/],
    ["tcp://:5555", "both", /a host name or an IP address/],
    ["tcp://1.2.3:5555", "both", /a host name or an IP address/],
    ["tcp://256.0.0.1:5555", "both", /a host name or an IP address/],
    ["tcp://a b:5555", "both", /a host name or an IP address/],
    ["tcp://a\0b:5555", "both", /a host name or an IP address/],
    ["tcp://-a:5555", "both", /a host name or an IP address/],
    ["tcp://::1:5555", "both", /"tcp:\/\/host:port"/],
    ["tcp://[127.0.0.1]:5555", "both", /a host name or an IP address/],
    ["tcp://[zz::1]:5555", "both", /a host name or an IP address/],
    ["tcp://127.0.0.1:1;127.0.0.1:2", "both", /"tcp:\/\/host:port"/],
    ["tcp://127.0.0.1:5555/path", "both", /a port from 1 to 65535/],
    ["tcp://127.0.0.1:5555\n", "both", /a port from 1 to 65535/],
    ["ipc://", "both", /"ipc:\/\/\/path/],
    ["ipc://@", "both", /"ipc:\/\/\/path/],
    ["ipc://*", "both", /"ipc:\/\/\/path/],
    ["ipc:///a\0b", "both", /"ipc:\/\/\/path/],
    ["ipc:///run/\ud800.sock", "both", /half of a surrogate pair/],
    [`ipc:///${"p".repeat(107)}`, "both", /at most 107 bytes, .*, got 108 bytes: a text of 114/],
    [`ipc:///${"dir/".repeat(27)}`, "both", /at most 107 bytes, .*: 'ipc:\/\/\/dir\/dir/],
    [
      `ipc:///${"é".repeat(54)}`,
      "both",
      /at most 107 bytes, .*, got 109 bytes: a text of 61 characters$/,
    ],
    ["inproc://", "both", /"inproc:\/\/name"/],
    ["inproc://a b", "both", /"inproc:\/\/name"/],
    ["inproc://zeromq.zap.01", "both", /not used by ZeroMQ or by us/],
    ["inproc://name#presence", "both", /not used by ZeroMQ or by us/],
    [`inproc://${"n".repeat(201)}`, "both", /at most 200 characters, got 201/],
    [`tcp://${"n".repeat(500)}:1`, "both", /at most 400 characters, got 508/],
  ];

  for (const [text, use, message] of refused) {
    test(`address: ${JSON.stringify(text)?.slice(0, 40)} is refused for ${use}`, () => {
      for (const each of use === "both" ? both : [use]) {
        assert.throws(() => checkAddress(text, each, "Push.bind: address"), {
          name: "TypeError",
          message,
        });
      }
    });
  }
});
