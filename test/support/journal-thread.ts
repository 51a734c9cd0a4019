/** Opens a journal in a thread, and tells how that went. */
import { parentPort, workerData } from "node:worker_threads";
import { FileJournal } from "../../lib/journal/file/file-journal.ts";

try {
  const journal = await FileJournal.open(workerData as string);
  await journal.close();
  parentPort!.postMessage("opened");
} catch (error) {
  parentPort!.postMessage((error as { code: string }).code);
}
