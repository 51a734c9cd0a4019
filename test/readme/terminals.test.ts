/**
 * The sections of documents that have terminals: their files are written into an empty folder, and their commands run
 * one beside the other, each from when the one before has printed its first line. `^C` interrupts a program.
 */
import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import { WATCHDOG_MS } from "../support/watchdog.ts";
import { type Session, sessionsOf, type Terminal } from "./snippets.ts";
import { documents, makeWorkplace, textOf } from "./workplace.ts";

const { folder: workplace, env } = makeWorkplace();
/** A reader has this port; a machine that runs tests may not, so the programs meet at a file instead. */
const PORT = /tcp:\/\/127\.0\.0\.1:5555/g;
const PROGRAM = /^(?:node|npx tsx) (\S+\.(?:mjs|ts))$/;

for (const document of documents) {
  for (const [index, session] of sessionsOf(textOf(document)).entries()) {
    const folder = join(workplace, `${document.replace(/\W/g, "-")}-${index}`);
    mkdirSync(folder);
    for (const [name, code] of session.files) writeFileSync(join(folder, name), socketFile(code));

    test(`${document}: the terminals of "${session.heading}" show what is said`, async (t) => {
      const running: Running[] = [];
      for (const terminal of session.terminals) running.push(await start(t, folder, terminal));
      await Promise.all(running.map(({ complete }) => complete));
      // What is shown is all there is, of those too that still run.
      for (const { printed, shown } of running) assert.equal(printed(), shown);
    });

    test(`${document}: the JavaScript of "${session.heading}" needs no compiler`, () => {
      assertPlain(folder, session);
    });
  }
}

interface Running {
  /** Resolves when as much is printed as is shown, or the program has ended. */
  readonly complete: Promise<unknown>;
  readonly shown: string;
  printed(): string;
}

/** @returns when the program has printed the first line that is shown; where it is interrupted, when it has ended */
async function start(
  t: TestContext,
  cwd: string,
  { command, output, interrupted, line }: Terminal,
): Promise<Running> {
  const [, file] = command.match(PROGRAM) ?? [];
  assert.ok(file !== undefined, `line ${line}: the test cannot run ${command}`);
  const child = spawn(process.execPath, ["--import", import.meta.resolve("tsx"), file], {
    ...{ cwd, env, timeout: WATCHDOG_MS, stdio: ["ignore", "pipe", "pipe"] },
  });
  t.after(() => child.kill("SIGKILL"));
  const ended = once(child, "close");
  const shown = socketFile(output);
  let text = "";
  const begun = arrival();
  const complete = arrival();
  const take = (chunk: Buffer): void => {
    text += chunk.toString();
    if (text.includes("\n")) begun.resolve();
    if (text.length >= shown.length) complete.resolve();
  };
  child.stdout.on("data", take);
  child.stderr.on("data", take);
  if (shown === "") complete.resolve();
  const running = {
    ...{ shown, printed: () => text },
    complete: Promise.race([complete.promise, ended]),
  };
  if (interrupted) {
    await running.complete;
    child.kill("SIGINT");
    await ended;
  } else if (shown !== "") {
    await Promise.race([begun.promise, ended]);
  }
  return running;
}

function arrival(): { readonly promise: Promise<void>; resolve(): void } {
  let resolve = (): void => {};
  const promise = new Promise<void>((done) => {
    resolve = done;
  });
  return { promise, resolve };
}

function socketFile(text: string): string {
  return text.replace(PORT, "ipc://jobs.sock");
}

function assertPlain(folder: string, { files }: Session): void {
  for (const name of files.keys()) {
    if (!name.endsWith(".mjs")) continue;
    const { status, stderr } = spawnSync(process.execPath, ["--check", join(folder, name)]);
    assert.equal(status, 0, `${name}: ${stderr}`);
  }
}
