/**
 * Fills its table of descriptors but for a few, appends beyond a segment, and says how that went; gives them all back,
 * appends on, and says how that went.
 */
import files, { closeSync, openSync } from "node:fs";
import fs from "node:fs/promises";
import { nodePorts } from "../../lib/journal/disk/ports.ts";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";

const [directory, left, how] = process.argv.slice(2) as [string, string, string];

/** Negative control: the directory is opened when it is to be synced, without a spare descriptor. */
async function syncPlainly(path: string): Promise<void> {
  const handle = await fs.open(path, "r");
  await handle.sync();
  await handle.close();
}

const disk = how === "plain" ? { ...nodePorts.disk, syncDirectory: syncPlainly } : nodePorts.disk;
const ports = { ...nodePorts, disk };
const journal = await FileJournal.openWith(ports, directory, { segmentBytes: 8192 });
await journal.append(Buffer.alloc(100));
const held: number[] = [];

function fill(): void {
  try {
    for (;;) held.push(openSync("/dev/null", "r"));
  } catch {
    // That was the last one.
  }
}

fill();
for (const fd of held.splice(0, Number(left))) closeSync(fd);
if (how === "stolen") {
  // Others of the process take each descriptor as soon as it is given back.
  files.closeSync = (fd) => {
    closeSync(fd);
    held.push(openSync("/dev/null", "r"));
  };
}
let during = "stored";
for (let i = 0; i < 300 && during === "stored"; i++) {
  // What starts a program may give one back only now.
  if (left === "0") fill();
  await journal.append(Buffer.alloc(100)).catch((error: unknown) => {
    during = (error as { readonly code: string }).code;
  });
}
files.closeSync = closeSync;
for (const fd of held) closeSync(fd);
let stored = 0;
for (let i = 0; i < 200; i++) {
  await journal.append(Buffer.alloc(100)).then(
    () => stored++,
    () => {},
  );
}
await journal.close().catch(() => {});
console.log(`start ${during} ${stored}`);
setInterval(() => {}, 60_000);
