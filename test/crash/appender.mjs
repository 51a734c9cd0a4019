// The process that is killed, or whose disk fails: appends, and says on stdout what is stored.
// usage: node appender.mjs MODULE DIRECTORY SEED [ROUNDS]
// Without ROUNDS it never ends by itself. After a failure it says "failed CODE", tries again, says
// what came of that, and ends.
const [module, directory, seed, rounds = "Infinity"] = process.argv.slice(2);
const { FileJournal } = await import(module);
const say = (what) => process.stdout.write(`${what}\n`);
const journal = await FileJournal.open(directory, {
  segmentBytes: 2 ** 20,
  batchBytesMax: 4096,
  pendingBytesMax: 2 ** 20,
}).catch((error) => {
  say(`failed ${error.code}`);
  process.exit(0);
});
let state = Number(seed) >>> 0;
const random = () => {
  state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
  return state / 2 ** 32;
};
/** The value that each seq must have. */
function entryValue(seq) {
  const bytes = Buffer.alloc(8 + ((seq * 7919) % 600), seq & 0xff);
  bytes.writeUInt32LE(seq, 0);
  return bytes;
}
function appendNext() {
  const seq = journal.seqNext;
  return journal.append([entryValue(seq)], { values: { cursor: Buffer.from(String(seq)) } });
}
/** What failed must go on failing, and leave the disk alone. */
async function giveUp(error) {
  say(`failed ${error.code}`);
  const again = async (what) =>
    say(
      await what().then(
        () => "went on",
        (late) => `again ${late.code}`,
      ),
    );
  await again(() => appendNext());
  await again(() => journal.sync());
  await journal.close().catch(() => {});
  process.exit(0);
}
say(journal.seqStored);
for (let round = 0; round < Number(rounds); round++) {
  const count = 1 + Math.floor(random() * 200);
  let last;
  for (let index = 0; index < count; index++) last = appendNext();
  last.then(say, giveUp);
  if (random() < 0.02) {
    await journal.truncateBefore(Math.max(1, journal.seqStored - 5000)).catch(giveUp);
  }
  if (journal.pendingBytes > 2 ** 19) await journal.room();
  else await new Promise(setImmediate);
}
await journal.close().then(() => say("closed"), giveUp);
