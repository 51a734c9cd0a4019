// The process that is killed: appends without end, and says on stdout what is stored.
// usage: node appender.mjs MODULE DIRECTORY SEED
const [module, directory, seed] = process.argv.slice(2);
const { FileJournal } = await import(module);
const journal = await FileJournal.open(directory, {
  segmentBytes: 2 ** 20,
  batchBytesMax: 4096,
  pendingBytesMax: 2 ** 20,
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
const say = (seq) => process.stdout.write(`${seq}\n`);
say(journal.seqStored);
for (;;) {
  const count = 1 + Math.floor(random() * 200);
  let last;
  for (let index = 0; index < count; index++) {
    const seq = journal.seqNext;
    last = journal.append([entryValue(seq)], { values: { cursor: Buffer.from(String(seq)) } });
  }
  last.then(say);
  if (random() < 0.02) await journal.truncateBefore(Math.max(1, journal.seqStored - 5000));
  if (journal.pendingBytes > 2 ** 19) await journal.room();
  else await new Promise(setImmediate);
}
