/** The place at which bytes stop being JSON, and what was expected there. */
export interface JsonFault {
  /** The first byte that does not fit (byte offset); `bytes.length` where the text ends too early. */
  readonly offset: number;
  readonly message: string;
}

type Expecting = "value" | "value or ]" | "key" | "key or }" | ":" | ", or ]" | ", or }" | "end";

const SPACE = /[ \t\r\n]*/y;
const NUMBER = /-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?(?![\w.+-])/y;
const WORD = /(?:true|false|null)(?![\w])/y;
const ESCAPE = /\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4})/y;

/**
 * Finds the first place where `bytes` break the grammar of JSON (RFC 8259).
 *
 * `JSON.parse` gives the place in its message or not at all, differently in each version of Node; this runs only after
 * it has refused. It keeps a stack of its own, so deep nesting cannot overflow.
 *
 * @returns `null` when `bytes` are exactly one JSON value
 */
export function findJsonFault(bytes: Buffer): JsonFault | null {
  // One character for each byte: offsets stay byte offsets, and all of JSON's syntax is ASCII.
  const text = bytes.toString("latin1");
  const open: ("{" | "[")[] = [];
  let expecting: Expecting = "value";
  let at = 0;

  const afterValue = (): Expecting => {
    const around = open.at(-1);
    return around === undefined ? "end" : around === "{" ? ", or }" : ", or ]";
  };

  for (;;) {
    at = skip(SPACE, text, at);
    if (at === text.length) {
      return expecting === "end" ? null : { offset: at, message: `expected ${say(expecting)}` };
    }
    const char = text[at]!;
    if (closes(char, expecting)) {
      open.pop();
      expecting = afterValue();
      at++;
    } else if (char === "," && expecting.startsWith(",")) {
      expecting = open.at(-1) === "{" ? "key" : "value";
      at++;
    } else if (char === ":" && expecting === ":") {
      expecting = "value";
      at++;
    } else if ((char === "{" || char === "[") && expecting.startsWith("value")) {
      open.push(char);
      expecting = char === "{" ? "key or }" : "value or ]";
      at++;
    } else if (char === '"' && (expecting.startsWith("value") || expecting.startsWith("key"))) {
      const end = stringEnd(text, at);
      if (typeof end !== "number") return end;
      expecting = expecting.startsWith("key") ? ":" : afterValue();
      at = end;
    } else if (expecting.startsWith("value")) {
      const end = Math.max(skip(NUMBER, text, at), skip(WORD, text, at));
      if (end === at) return { offset: at, message: `expected ${say(expecting)}` };
      expecting = afterValue();
      at = end;
    } else {
      return { offset: at, message: `expected ${say(expecting)}` };
    }
  }
}

function closes(char: string, expecting: Expecting): boolean {
  return (char === "]" || char === "}") && expecting.endsWith(`or ${char}`);
}

/** @returns the end of the string that starts at `from`, or the fault in it */
function stringEnd(text: string, from: number): number | JsonFault {
  let at = from + 1;
  for (; at < text.length; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x22) return at + 1;
    if (code < 0x20) return { offset: at, message: "a control character in a string" };
    if (code !== 0x5c) continue;
    const end = skip(ESCAPE, text, at);
    if (end === at) return { offset: at, message: "an escape in a string that JSON does not have" };
    at = end - 1;
  }
  return { offset: at, message: "a string that does not end" };
}

function skip(pattern: RegExp, text: string, at: number): number {
  pattern.lastIndex = at;
  return pattern.test(text) ? pattern.lastIndex : at;
}

function say(expecting: Expecting): string {
  if (expecting === "end") return "nothing more";
  const signs = expecting.replace(/[:,\]}]/g, (sign) => `"${sign}"`);
  return signs.replace("value", "a JSON value").replace("key", "a key in quotes");
}
