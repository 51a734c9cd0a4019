import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compile } from "../support/compile.ts";
import { integerFrom } from "../support/env.ts";
import { Random } from "../support/random.ts";
import {
  checkJournal,
  type Found,
  runAppender,
  type Seen,
  victimModule,
} from "../support/victim.ts";

const KILLS = integerFrom("BROKERLESS_KILLS", 60);
const SEED = integerFrom("BROKERLESS_SEED", 20_260_801);
/** Journals at a time: most of a round is the start of a process, which uses one core (count). */
const LANES = 4;
/** Crashes that one journal has to survive before the next one begins (count). */
const KILLS_PER_JOURNAL = 10;

test("kill -9: nothing confirmed as stored is lost, at any moment", async (t) => {
  const place = await mkdtemp(join(tmpdir(), "brokerless-"));
  t.after(() => rm(place, { recursive: true }));
  const module = victimModule(compile(join(place, "build"), []));
  const sum = { midCommit: 0, acknowledged: 0, torn: 0 };
  let killNext = 0;
  const lane = async (name: string) => {
    while (killNext < KILLS) {
      const kills = Math.min(KILLS_PER_JOURNAL, KILLS - killNext);
      const directory = join(place, `${name}-${killNext}`);
      const killFirst = killNext;
      killNext += kills;
      for (let kill = killFirst; kill < killFirst + kills; kill++) {
        const { seen, found } = await killOnce({ module, directory, kill });
        if (found.cut) sum.torn++;
        if (found.cut || found.seqStored > seen.stored) sum.midCommit++;
        sum.acknowledged += seen.stored;
      }
      await rm(directory, { recursive: true });
    }
  };
  await Promise.all(Array.from({ length: LANES }, (_, index) => lane(`lane-${index}`)));
  t.diagnostic(
    `seed ${SEED}, kills ${KILLS}, mid-commit ${sum.midCommit}, torn ${sum.torn}, acknowledged ${sum.acknowledged}, lost 0, wrong 0`,
  );
  // About half of them do; how many depends on the machine.
  assert.ok(sum.midCommit * 10 >= KILLS, `only ${sum.midCommit} of ${KILLS} kills hit a commit`);
});

/** Lets an appender run until it has said a random number of commits, kills it, and looks at what is left. */
async function killOnce(options: {
  readonly module: string;
  readonly directory: string;
  readonly kill: number;
}): Promise<{ readonly seen: Seen; readonly found: Found }> {
  const { module, directory, kill } = options;
  const seen = await runAppender({
    module,
    directory,
    seed: SEED + kill,
    lines: 1 + new Random(SEED + kill).below(16),
    hearsToTheEnd: true,
    end: async (pid) => {
      process.kill(pid, "SIGKILL");
    },
  });
  return { seen, found: await checkJournal(directory, seen, `seed ${SEED}, kill ${kill}`) };
}
