/** Opens a journal in a process of its own, says how that went, and holds it until it is ended. */
import { FileJournal } from "../../lib/journal/file/file-journal.ts";
import { LmdbJournal } from "../../lib/journal/lmdb/lmdb-journal.ts";

const [kind, directory] = process.argv.slice(2) as [string, string];

try {
  const Kind = kind === "lmdb" ? LmdbJournal : FileJournal;
  await Kind.open(directory);
  console.log(`start opened ${process.pid}`);
} catch (error) {
  console.log(`start ${(error as { code: string }).code} ${(error as Error).message}`);
}
// Until it is killed.
setInterval(() => {}, 60_000);
