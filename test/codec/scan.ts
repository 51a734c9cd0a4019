/** How deep arrays and maps may lie in each other: `[]` is 1, `[[]]` is 2 (count). */
export const DEPTH_MAX = 32;

/** Items still to come in each open array or map; shared, since a scan never yields. */
const open = new Float64Array(DEPTH_MAX);

/**
 * Says which bytes are acceptable MessagePack, by looking at nothing but their structure.
 *
 * A model for the tests, written apart from the codec. It knows nothing of UTF-8, of the range of timestamps and of
 * keys.
 *
 * @param start where the first value begins (byte offset)
 * @param end where the last value has to end exactly (byte offset)
 * @returns how many values lie one after another in `[start, end)`
 * @throws Error naming what was found
 */
export function scanMsgpack(bytes: Buffer, start: number, end: number): number {
  let at = start;
  let count = 0;
  let depth = 0;
  let remaining = 0;
  while (at < end) {
    const token = bytes[at++]!;
    let items = -1;
    if (token >= 0xa0) {
      if (token < 0xc0) at += token & 0x1f;
      else if (token < 0xe0) {
        switch (token) {
          case 0xc0:
          case 0xc2:
          case 0xc3:
            break;
          case 0xcc:
          case 0xd0:
            at += 1;
            break;
          case 0xcd:
          case 0xd1:
            at += 2;
            break;
          case 0xca:
          case 0xce:
          case 0xd2:
            at += 4;
            break;
          case 0xcb:
          case 0xcf:
          case 0xd3:
            at += 8;
            break;
          case 0xc4:
          case 0xd9:
            if (at + 1 > end) throw truncated(at - start);
            at += 1 + bytes[at]!;
            break;
          case 0xc5:
          case 0xda:
            at += 2 + readLength(bytes, at, end, 2);
            break;
          case 0xc6:
          case 0xdb:
            at += 4 + readLength(bytes, at, end, 4);
            break;
          case 0xdc:
          case 0xde:
            items = readLength(bytes, at, end, 2);
            if (token === 0xde) items *= 2;
            at += 2;
            break;
          case 0xdd:
          case 0xdf:
            items = readLength(bytes, at, end, 4);
            if (token === 0xdf) items *= 2;
            at += 4;
            break;
          default:
            at = scanExtension(bytes, at, end, token, start);
        }
      }
    } else if (token >= 0x80) {
      items = token >= 0x90 ? token & 0x0f : (token & 0x0f) * 2;
    }
    if (items > 0) {
      if (items > end - at) {
        throw new Error(`msgpack: ${items} elements declared, ${end - at} bytes remain`);
      }
      if (depth === DEPTH_MAX) throw new Error(`msgpack: nested deeper than ${DEPTH_MAX}`);
      open[depth++] = remaining;
      remaining = items;
      continue;
    }
    if (items === 0 && depth === DEPTH_MAX) {
      throw new Error(`msgpack: nested deeper than ${DEPTH_MAX}`);
    }
    if (depth === 0) {
      count += 1;
      continue;
    }
    remaining -= 1;
    while (remaining === 0 && depth > 0) {
      remaining = open[--depth]!;
      if (depth === 0) count += 1;
      else remaining -= 1;
    }
  }
  if (at > end || depth > 0) throw truncated(end - start);
  return count;
}

function readLength(bytes: Buffer, at: number, end: number, size: 2 | 4): number {
  if (at + size > end) throw truncated(at);
  return size === 2 ? bytes.readUInt16BE(at) : bytes.readUInt32BE(at);
}

/** @returns the offset behind the extension whose header byte `token` lies just before `at` */
function scanExtension(
  bytes: Buffer,
  at: number,
  end: number,
  token: number,
  start: number,
): number {
  if (at + 2 > end) throw truncated(at - start);
  if (token === 0xd4 && bytes[at] === 0 && bytes[at + 1] === 0) return at + 2;
  if (token === 0xd6 && bytes[at] === 0xff) return at + 5;
  if (token === 0xd7 && bytes[at] === 0xff) return at + 9;
  if (token === 0xc7 && bytes[at] === 12 && bytes[at + 1] === 0xff) return at + 14;
  const where = `at byte ${at - 1 - start}`;
  throw new Error(`msgpack: 0x${token.toString(16)} ${where} is no value that is accepted`);
}

function truncated(at: number): Error {
  return new Error(`msgpack: truncated at byte ${at}`);
}
