/** A program in a Markdown text, and what it prints. */
export interface Snippet {
  /** Where its first line is in the text, counted from 1. */
  readonly line: number;
  readonly code: string;
  /** Null where the text does not show it. */
  readonly output: string | null;
}

const BLOCK = /^```(\w+)\n(.*?)^```$/gms;

/** The `ts` blocks of a Markdown text. A `text` block right behind one is its output. */
export function snippetsOf(markdown: string): Snippet[] {
  const snippets: Snippet[] = [];
  let endOfCode = -1;
  for (const { 0: block, 1: language, 2: content, index } of markdown.matchAll(BLOCK)) {
    const gap = endOfCode < 0 ? null : markdown.slice(endOfCode, index);
    endOfCode = -1;
    if (language === "ts") {
      const line = markdown.slice(0, index).split("\n").length + 1;
      snippets.push({ line, code: content!, output: null });
      endOfCode = index + block.length;
    } else if (language === "text" && gap?.trim() === "") {
      snippets.push({ ...snippets.pop()!, output: content! });
    }
  }
  return snippets;
}
