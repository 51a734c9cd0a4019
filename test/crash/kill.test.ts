import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { Random } from "../support/random.ts";
import { checkJournal, compileLibrary, runAppender } from "../support/victim.ts";

const KILLS = Number(process.env.BROKERLESS_KILLS ?? 200);
const SEED = Number(process.env.BROKERLESS_SEED ?? 20_260_801);

test("kill -9: nothing that was said to be stored is lost, at whatever moment", async (t) => {
  const place = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(place, { recursive: true }));
  const module = compileLibrary(join(place, "build"));
  const random = new Random(SEED);
  let midCommit = 0;
  let acknowledged = 0;
  let torn = 0;
  for (let kill = 0; kill < KILLS; kill++) {
    // Every tenth time anew; else the journal of the last crash goes on.
    const directory = join(place, `journal-${Math.floor(kill / 10)}`);
    const seen = await runAppender({
      module,
      directory,
      seed: SEED + kill,
      lines: 1 + random.below(16),
      hearsToTheEnd: true,
      end: async (pid) => {
        process.kill(pid, "SIGKILL");
      },
    });
    const found = await checkJournal(directory, seen, `seed ${SEED}, kill ${kill}`);
    if (found.cut) torn++;
    if (found.cut || found.seqStored > seen.stored) midCommit++;
    acknowledged += seen.stored;
  }
  t.diagnostic(
    `seed ${SEED}, kills ${KILLS}, mid-commit ${midCommit}, torn ${torn}, acknowledged ${acknowledged}, lost 0, wrong 0`,
  );
  assert.ok(midCommit * 3 >= KILLS, `only ${midCommit} of ${KILLS} kills hit a commit`);
});
