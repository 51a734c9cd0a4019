import { randomRoutingId } from "../native/router-ids.ts";
import { KEY_BYTES } from "./curve.ts";

/** libzmq's request for the admission of a CURVE client. */
export interface ZapRequest {
  /** The ZAP domain of the socket to which the client connects. */
  readonly domain: string;
  /** The 32 bytes of the client's public key. */
  readonly clientKey: Uint8Array;
}

const VERSION = "1.0";
const DOMAIN_BYTES_MAX = 255;
const REQUEST_ID_BYTES_MAX = 255;

/**
 * A request as a ROUTER receives it:
 *
 * | frame | content                       |
 * |-------|-------------------------------|
 * | 0     | routing id of the requester   |
 * | 1     | empty                         |
 * | 2     | version, "1.0"                |
 * | 3     | request id                    |
 * | 4     | domain                        |
 * | 5     | address of the client         |
 * | 6     | routing id that the client chose |
 * | 7     | mechanism, "CURVE"            |
 * | 8     | public key, 32 bytes          |
 */
const FRAMES = 9;

/**
 * Parses a request of ZeroMQ RFC 27. Pure; checks the number of frames first.
 *
 * @returns `null` for anything but version 1.0 with the CURVE mechanism and a key of the right
 *   length
 */
export function parseRequest(frames: readonly Buffer[]): ZapRequest | null {
  if (frames.length !== FRAMES) return null;
  const [, delimiter, version, requestId, domain, , , mechanism, clientKey] = frames;
  if (delimiter?.length !== 0 || !is(version, VERSION) || !is(mechanism, "CURVE")) return null;
  if (requestId === undefined || requestId.length > REQUEST_ID_BYTES_MAX) return null;
  if (domain === undefined || domain.length > DOMAIN_BYTES_MAX) return null;
  if (clientKey?.length !== KEY_BYTES) return null;
  return { domain: domain.toString("latin1"), clientKey };
}

/**
 * The reply to a request, well-formed or not.
 *
 * The metadata of an admitted client names it: a routing id that replaces the client's own choice,
 * which could end the process of a ROUTER (docs/decisions/0009-assertions.md). libzmq has read the
 * client's id before the request.
 *
 * @param frames the request, whose routing id and request id are sent back
 * @returns frames for the ROUTER; the user id stays empty
 */
export function encodeReply(frames: readonly Buffer[], admitted: boolean): (Buffer | string)[] {
  const requestId = frames[3] ?? "";
  const [code, text] = admitted ? ["200", "OK"] : ["400", "refused"];
  return [
    frames[0] ?? "",
    "",
    VERSION,
    requestId.length <= REQUEST_ID_BYTES_MAX ? requestId : "",
    code,
    text,
    "",
    admitted ? property("Identity", randomRoutingId()) : "",
  ];
}

/** A ZMTP property: name and value, preceded by their lengths in one and four bytes. */
function property(name: string, value: Buffer): Buffer {
  const head = Buffer.alloc(1 + name.length + 4);
  head[0] = name.length;
  head.write(name, 1, "latin1");
  head.writeUInt32BE(value.length, 1 + name.length);
  return Buffer.concat([head, value]);
}

function is(frame: Buffer | undefined, text: string): boolean {
  return frame !== undefined && frame.length === text.length && frame.toString("latin1") === text;
}
