import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FileJournal } from "../../lib/journal/index.ts";

/**
 * Counts from outside what became of a storm's messages, by their unique values: `NAME-LIFE-NUMBER`, which rises
 * within a sender. It reads what senders wrote down as confirmed, and receivers as done, when they are all dead;
 * it knows nothing of sockets.
 */
const [directory] = process.argv.slice(2) as [string];
const confirmed = readLines("confirmed");
const effects = [...readLines("effects"), ...(await readInboxes())];

const times = new Map<string, number>();
const newest = new Map<string, number>();
let disordered = 0;
for (const effect of effects) {
  const before = times.get(effect) ?? 0;
  times.set(effect, before + 1);
  const [name, life, number] = effect.split("-") as [string, string, string];
  const place = Number(life) * 2 ** 32 + Number(number);
  if (!Number.isSafeInteger(place)) throw new Error(`an effect that nobody sent: ${effect}`);
  const highest = newest.get(name) ?? 0;
  if (before === 0 && place < highest) disordered += 1;
  newest.set(name, Math.max(place, highest));
}
const lost = confirmed.filter((value) => !times.has(value));
const again = [...times].filter(([, count]) => count > 1).map(([value]) => value);
const counts = {
  confirmed: confirmed.length,
  effects: effects.length,
  lost: lost.length,
  duplicates: effects.length - times.size,
  disordered,
};
const examples = { lost: lost.slice(0, 3), duplicates: again.slice(0, 3) };
process.stdout.write(`${JSON.stringify({ counts, examples })}\n`);

/** Whole lines: a process was killed while it wrote the rest. */
function readLines(name: string): string[] {
  const file = join(directory, name);
  return existsSync(file) ? readFileSync(file, "utf8").split("\n").slice(0, -1) : [];
}

/** An effect in an inbox is an entry: the id of its delivery, and the value. */
async function readInboxes(): Promise<string[]> {
  const found: string[] = [];
  for (const name of readdirSync(directory).sort()) {
    if (!name.startsWith("inbox-")) continue;
    const inbox = await FileJournal.open(join(directory, name));
    for await (const { value } of inbox.read()) {
      found.push(Buffer.from(value).toString().split(" ")[1]!);
    }
    await inbox.close();
  }
  return found;
}
