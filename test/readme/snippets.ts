/** A program in a Markdown text, and what it prints. */
export interface Snippet {
  /** Where its first line is in the text, counted from 1. */
  readonly line: number;
  readonly language: "ts" | "js";
  readonly code: string;
  /** Null where the text does not show it. */
  readonly output: string | null;
  /** Whether it is only compiled: it ends by a signal, or needs a service. Marked as ```` ```ts compile ````. */
  readonly compileOnly: boolean;
}

/** A section with terminals in which programs run side by side, from files of this section and those before it. */
export interface Session {
  readonly heading: string;
  /** Contents by name. A block whose first line is the comment `// name.mjs` is a file. */
  readonly files: ReadonlyMap<string, string>;
  readonly terminals: readonly Terminal[];
}

/** A `console` block: a command behind `$`, and what it prints. */
export interface Terminal {
  /** Where its first line is in the text, counted from 1. */
  readonly line: number;
  readonly command: string;
  readonly output: string;
  /** Whether its last line is `^C`: the program is interrupted there, and goes on running otherwise. */
  readonly interrupted: boolean;
}

/** A fenced block of a Markdown text. */
export interface Block {
  /** Where its first line is in the text, counted from 1. */
  readonly line: number;
  /** The words behind the opening fence; empty where there are none. */
  readonly language: string;
  readonly mark: string;
  readonly content: string;
  /** What stands between the block before it and this one. */
  readonly before: string;
}

const BLOCK = /^```(\w*) ?([^\n]*)\n(.*?)^```$/gms;
const FILE = /^\/\/ (\S+\.\w+)\n/;

/** The fenced blocks of a Markdown text, in its order. */
export function blocksOf(markdown: string): Block[] {
  let end = 0;
  return [...markdown.matchAll(BLOCK)].map(
    ({ 0: block, 1: language, 2: mark, 3: content, index }) => {
      const line = markdown.slice(0, index).split("\n").length + 1;
      const before = markdown.slice(end, index);
      end = index + block.length;
      return { line, language: language!, mark: mark!, content: content!, before };
    },
  );
}

/** The `ts` and `js` blocks of a Markdown text but for its {@link Session}s. A `text` block right behind one is its output. */
export function snippetsOf(markdown: string): Snippet[] {
  const snippets: Snippet[] = [];
  let isBehindCode = false;
  for (const { line, language, mark, content, before } of blocksOf(markdown)) {
    const isOutput = isBehindCode && language === "text" && before.trim() === "";
    isBehindCode = (language === "ts" || language === "js") && !FILE.test(content);
    if (isBehindCode) {
      const compileOnly = mark === "compile";
      const code = { line, language: language as "ts" | "js", code: content };
      snippets.push({ ...code, output: null, compileOnly });
    } else if (isOutput) {
      snippets.push({ ...snippets.pop()!, output: content });
    }
  }
  return snippets;
}

/** The sections of a Markdown text that have terminals. A heading of any depth begins a section. */
export function sessionsOf(markdown: string): Session[] {
  const sessions: Session[] = [];
  let [heading, files, terminals]: [string, Map<string, string>, Terminal[]] = ["", new Map(), []];
  const end = (): void => {
    if (terminals.length > 0) sessions.push({ heading, files, terminals });
    [files, terminals] = [new Map(files), []];
  };
  for (const { line, language, content, before } of blocksOf(markdown)) {
    const [, title] = [...before.matchAll(/^#+ (.+)$/gm)].at(-1) ?? [];
    if (title !== undefined) {
      end();
      heading = title;
    }
    const [, name] = content.match(FILE) ?? [];
    if (name !== undefined) files.set(name, content);
    if (language === "console") terminals.push(terminalOf(line, content));
  }
  end();
  return sessions;
}

function terminalOf(line: number, content: string): Terminal {
  const [, command, rest] = content.match(/^\$ ([^\n]+)\n(.*)$/s) ?? [];
  if (command === undefined)
    throw new Error(`line ${line}: a terminal begins with $ and a command`);
  const interrupted = rest!.endsWith("^C\n");
  return { line, command, output: interrupted ? rest!.slice(0, -3) : rest!, interrupted };
}
