/**
 * Characters that a terminal may interpret, or that reverse the text direction; JSON escapes only
 * the first 32.
 */
const UNSEEN = /[\p{Cc}\p{Cf}\u2028\u2029]/gu;

/** @returns a value as JSON on one line, without characters that a terminal interprets */
export function toJsonLine(value: unknown): string {
  return `${JSON.stringify(value).replace(UNSEEN, toEscapes)}\n`;
}

/** @returns a text for people, with a dot in place of each invisible character */
export function toPlain(text: string): string {
  return text.replace(/\p{C}/gu, "\u00b7");
}

function toEscapes(character: string): string {
  return character
    .split("")
    .map((unit) => `\\u${unit.charCodeAt(0).toString(16).padStart(4, "0")}`)
    .join("");
}
