import { BlockList, isIPv4, isIPv6 } from "node:net";
import { describe, expected } from "../../options.ts";

/** Use of an endpoint; some addresses are valid for one use only. */
export type AddressUse = "bind" | "connect";

/** A valid address for libzmq, with its relevant properties. */
export interface Address {
  readonly transport: "tcp" | "ipc" | "inproc";
  /**
   * Whether only this machine can reach it: 127.0.0.0/8, ::1, localhost, and all of ipc and inproc.
   */
  readonly loopback: boolean;
  /** Whether the host is a literal IPv6 address: the native socket then needs `ipv6 = true`. */
  readonly ipv6: boolean;
  /** The text for libzmq, unchanged. */
  readonly text: string;
}

/** `sun_path` is 108 bytes, the last of them a NUL. */
const IPC_BYTES_MAX = 107;
const INPROC_CHARS_MAX = 200;
const ADDRESS_CHARS_MAX = 400;

const FORMS =
  '"tcp://127.0.0.1:5555", "tcp://[::1]:5555", "ipc:///run/app.sock", "ipc://@abstract" or "inproc://name"';

// It has no UTF-8 form: the path of the socket would differ.
const HALF_PAIR = /\p{Surrogate}/u;
const HOST_NAME = /^(?!-)[A-Za-z0-9_-]{1,63}(?:\.(?!-)[A-Za-z0-9_-]{1,63})*\.?$/;
// A control character or a space is a mistake, and a NUL would truncate the name inside libzmq.
const UNPRINTABLE = /[^\x21-\x7e]/;

// Names of the ZAP handler, of the monitors, and of the presence endpoints of inproc (presence.ts).
const RESERVED = /^zeromq\.zap\.|^zmq\.monitor\.|#presence$/;

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

/**
 * Parses an endpoint and refuses one that would fail, or behave unexpectedly, later.
 *
 * Pure: nothing is resolved or opened. Other transports of libzmq are refused: udp has known gaps,
 * pgm and vmci are not built in, ws is not offered.
 *
 * @param address as the caller gave it
 * @param use `bind` admits wildcards (`*` as host or port), `connect` does not
 * @param name name of the argument in an error, such as `Push.bind: address`
 * @throws TypeError with the expected form
 */
export function checkAddress(address: unknown, use: AddressUse, name: string): Address {
  if (typeof address !== "string") throw expected(name, `a string such as ${FORMS}`, address);
  if (address.length > ADDRESS_CHARS_MAX) {
    throw new TypeError(
      `${name} must have at most ${ADDRESS_CHARS_MAX} characters, got ${address.length}`,
    );
  }
  const [, scheme, rest] = /^([a-z]+):\/\/(.*)$/s.exec(address) ?? [];
  if (rest !== undefined) {
    if (scheme === "tcp") return checkTcp(address, rest, { use, name });
    if (scheme === "ipc") return checkIpc(address, rest, name);
    if (scheme === "inproc") return checkInproc(address, rest, name);
  }
  throw expected(name, FORMS, address);
}

interface Context {
  readonly use: AddressUse;
  readonly name: string;
}

function checkTcp(text: string, rest: string, { use, name }: Context): Address {
  const wanted = use === "bind" ? '"tcp://host:port" or "tcp://host:*"' : '"tcp://host:port"';
  const [, bracketed, plain, port] = /^(?:\[([^\]]*)\]|([^[\]:]*)):([^:]*)$/.exec(rest) ?? [];
  if (port === undefined) throw expected(name, wanted, text);
  checkPort(port, use, { name, text });

  const host = bracketed ?? plain ?? "";
  const hostFits = bracketed === undefined ? host === "*" || isHost(host) : isIPv6(host);
  if (!hostFits) throw expected(name, `${wanted} with a host name or an IP address`, text);
  if (use === "connect" && isWildcard(host, bracketed !== undefined)) {
    throw expected(name, "the address of one host to connect to, not a wildcard", text);
  }
  const loopback = isLoopback(host);
  return { transport: "tcp", loopback, ipv6: bracketed !== undefined, text };
}

/** Port 0 is the other notation for "any free port". */
function checkPort(
  port: string,
  use: AddressUse,
  { name, text }: { readonly name: string; readonly text: string },
): void {
  if (use === "bind" && (port === "*" || port === "0")) return;
  const number = /^[1-9]\d{0,4}$/.test(port) ? Number(port) : 0;
  if (number >= 1 && number <= 65_535) return;
  const wanted = use === "bind" ? 'a port from 1 to 65535 or "*"' : "a port from 1 to 65535";
  throw expected(name, `an address with ${wanted}`, text);
}

/**
 * Four numbers that are not an IPv4 address would be resolved as a name; they are a typing error.
 */
function isHost(host: string): boolean {
  if (isIPv4(host)) return true;
  return host.length <= 253 && !/^[\d.]*$/.test(host) && HOST_NAME.test(host);
}

function isWildcard(host: string, bracketed: boolean): boolean {
  if (!bracketed) return host === "*" || host === "0.0.0.0";
  return /^[0:.]+$/.test(withoutZone(host));
}

function isLoopback(host: string): boolean {
  if (isIPv4(host)) return LOOPBACK.check(host, "ipv4");
  if (isIPv6(host)) return LOOPBACK.check(withoutZone(host), "ipv6");
  return host.toLowerCase() === "localhost";
}

function withoutZone(host: string): string {
  return host.replace(/%.*$/, "");
}

function checkIpc(text: string, path: string, name: string): Address {
  if (path === "" || path === "@" || path === "*" || path.includes("\0")) {
    throw expected(name, '"ipc:///path/of/a/socket" or "ipc://@abstract-name"', text);
  }
  if (HALF_PAIR.test(path)) {
    throw new TypeError(`${name} must be well-formed: it has half of a surrogate pair`);
  }
  const bytes = Buffer.byteLength(path);
  if (bytes > IPC_BYTES_MAX) {
    throw new TypeError(
      `${name} must have an ipc path of at most ${IPC_BYTES_MAX} bytes, which is the limit of the system, got ${bytes} bytes: ${describe(text)}`,
    );
  }
  return { transport: "ipc", loopback: true, ipv6: false, text };
}

function checkInproc(text: string, key: string, name: string): Address {
  if (key === "" || UNPRINTABLE.test(key)) {
    throw expected(name, '"inproc://name" with printable characters and no space', text);
  }
  if (key.length > INPROC_CHARS_MAX) {
    throw new TypeError(
      `${name} must have an inproc name of at most ${INPROC_CHARS_MAX} characters, got ${key.length}`,
    );
  }
  if (RESERVED.test(key)) {
    throw expected(name, "an inproc name that is not used by ZeroMQ or by us", text);
  }
  return { transport: "inproc", loopback: true, ipv6: false, text };
}
