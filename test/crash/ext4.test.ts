import { spawnSync } from "node:child_process";
import { mkdir, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { compile } from "../support/compile.ts";
import { integerFrom } from "../support/env.ts";
import { Random } from "../support/random.ts";
import { checkJournal, runAppender, victimModule } from "../support/victim.ts";

/** A short part of what `npm run torture` does: each mounts a file system again (count). */
const CUTS = integerFrom("BROKERLESS_POWER_CUTS", 10);
const SEED = integerFrom("BROKERLESS_SEED", 20_260_801);

/** ext4 stops as at a power cut: what it has not written is gone. */
const SHUTDOWN = `
import fcntl, os, struct, sys
fcntl.ioctl(os.open(sys.argv[1], os.O_RDONLY), 0x8004587D, struct.pack("I", 2))
`;

function run(command: string, ...args: string[]): boolean {
  return spawnSync(command, args, { stdio: "ignore" }).status === 0;
}

test("ext4: power cuts on a real file system lose nothing that was stored", async (t) => {
  const place = await mkdtemp(join(tmpdir(), "brokerless-"));
  const image = join(place, "image");
  const mount = join(place, "mount");
  await mkdir(mount);
  const mounts = () => run("mount", "-o", "loop", image, mount);
  t.after(async () => {
    run("umount", "-l", mount);
    await rm(place, { recursive: true });
  });
  const isReady = run("truncate", "-s", "256M", image) && run("mkfs.ext4", "-q", "-F", image);
  if (!isReady || !run("python3", "--version") || !mounts()) {
    t.skip("needs root, mkfs.ext4, loop devices and python3");
    return;
  }
  const module = victimModule(compile(join(place, "build"), []));
  const random = new Random(SEED);
  let torn = 0;
  let acknowledged = 0;
  for (let cut = 0; cut < CUTS; cut++) {
    const directory = join(mount, `journal-${Math.floor(cut / 10)}`);
    const seen = await runAppender({
      module,
      directory,
      seed: SEED + cut,
      lines: 2 + random.below(24),
      // An fdatasync that is going on when the shutdown aborts the file system's journal may say
      // that all is well: a bare loop of write and fdatasync loses its last commit so in 9 of 45 cuts.
      hearsToTheEnd: false,
      end: async (pid) => {
        run("python3", "-c", SHUTDOWN, mount);
        process.kill(pid, "SIGKILL");
      },
    });
    run("umount", mount) || run("umount", "-l", mount);
    if (!mounts()) throw new Error("the image cannot be mounted again");
    const found = await checkJournal(directory, seen, `seed ${SEED}, cut ${cut}`);
    if (found.cut) torn++;
    acknowledged += seen.stored;
    if (cut % 10 === 9) await rm(directory, { recursive: true });
  }
  t.diagnostic(
    `seed ${SEED}, cuts ${CUTS}, torn ${torn}, acknowledged ${acknowledged}, lost 0, wrong 0`,
  );
});
