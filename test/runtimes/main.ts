/** `npm run runtimes`: packs the package, and tries it with each runtime and tool of docs/runtimes.md. */
import { execFile } from "node:child_process";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { answerHelp } from "../../scripts/help.ts";
import { type Consumer, installPackage } from "../package/consumer.ts";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { type Case, casesOf } from "./cases.ts";

answerHelp(`usage: npm run runtimes [-- PART...]

Packs the package, installs it into a temporary folder together with the tools that
test/runtimes/programs/package.json names, and tries it with each of them. Some 500 MB, on
Linux on x86_64. Ends with status 1 where something is not as docs/runtimes.md says.

PART    only tools whose name contains one of these, such as jest`);

const programs = fileURLToPath(new URL("programs", import.meta.url));

interface Result {
  readonly output: string;
  readonly hasFailed: boolean;
}

function run(folder: string, [file, ...args]: readonly string[]): Promise<Result> {
  const program = file === "node" ? process.execPath : join(folder, file!);
  const { NODE_OPTIONS: _, ...env } = process.env;
  const options = { cwd: folder, env: { ...env, NO_COLOR: "1" }, timeout: WATCHDOG_MS };
  return new Promise((resolve) => {
    execFile(program, args, options, (error, stdout, stderr) => {
      resolve({ output: stdout + stderr, hasFailed: error !== null });
    });
  });
}

/** @returns what is not as it has to be; null where all is */
async function faultOf(folder: string, { commands, prints, fails }: Case): Promise<string | null> {
  for (const [index, command] of commands.entries()) {
    const { output, hasFailed } = await run(folder, command);
    const isLast = index === commands.length - 1;
    const isRight = hasFailed === (isLast && fails === true) && (!isLast || prints.test(output));
    if (!isRight) return `${command.join(" ")}\n${output}`;
  }
  return null;
}

async function tryAll(consumer: Consumer, parts: readonly string[]): Promise<boolean> {
  const manifest = JSON.parse(readFileSync(join(programs, "package.json"), "utf8"));
  const cases = casesOf(manifest.dependencies).filter(
    ({ tool }) => parts.length === 0 || parts.some((part) => tool.includes(part)),
  );
  if (cases.length === 0) throw new Error(`no tool is called ${parts.join(" or ")}`);
  let isRight = true;
  console.log("| tool | what | result |\n|---|---|---|");
  for (const each of cases) {
    const fault = await faultOf(consumer.folder, each);
    const right = each.fails === true ? "fails, as documented" : "works";
    console.log(
      `| ${each.tool} | ${each.what} | ${fault === null ? right : "NOT AS DOCUMENTED"} |`,
    );
    if (fault !== null) console.log(fault);
    isRight &&= fault === null;
  }
  return isRight;
}

const consumer = await installPackage(programs);
try {
  if (!(await tryAll(consumer, process.argv.slice(2)))) process.exitCode = 1;
} finally {
  await consumer.remove();
}
