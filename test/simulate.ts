/** Plays the delivery simulation for more seeds than a test run does: `npm run simulate -- --seeds 1000 [--seed N]`. */
import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";
import { parseArgs } from "node:util";

const { values } = parseArgs({
  options: { seeds: { type: "string", default: "1000" }, seed: { type: "string" } },
});
const seed = values.seed ?? String(Math.floor(Math.random() * 2 ** 30));
const file = fileURLToPath(new URL("sim/delivery.test.ts", import.meta.url));
const env = { ...process.env, SEEDS: values.seeds, SEED: seed };
const args = ["--import", "tsx", "--test", file];
const { status } = spawnSync(process.execPath, args, { stdio: "inherit", env });
process.exit(status ?? 1);
