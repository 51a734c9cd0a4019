/** Plays the delivery simulation for more seeds than a test run does: `npm run simulate -- --seeds 1000 [--seed N]`. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";
import { answerHelp } from "../scripts/help.ts";

answerHelp(`usage: npm run simulate -- [--seeds N] [--seed N]

Plays whole reliable sockets on simulated wires, disks and clocks, and checks what is promised.

--seeds N   how many seeds are played (default 1000)
--seed N    the first of them (default: at random; it is printed with a failure)`);
const { seeds, seed } = parse();
const file = fileURLToPath(new URL("sim/delivery.test.ts", import.meta.url));
const env = { ...process.env, SEEDS: seeds, SEED: seed };
const args = ["--import", "tsx", "--test", file];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit", env });
process.exit(status ?? 1);

/** What the command line asks for; a wrong one ends the program in one line. */
function parse(): { readonly seeds: string; readonly seed: string } {
  const chance = String(Math.floor(Math.random() * 2 ** 30));
  try {
    const { values } = parseArgs({
      options: {
        seeds: { type: "string", default: "1000" },
        seed: { type: "string", default: chance },
      },
    });
    const wrong = Object.entries(values).find(([, text]) => !/^\d{1,10}$/.test(text));
    if (wrong === undefined) return values;
    throw new TypeError(`--${wrong[0]} must be a whole number, got ${JSON.stringify(wrong[1])}`);
  } catch (error) {
    console.error(`simulate: ${(error as Error).message.split("\n")[0]}`);
    process.exit(2);
  }
}
