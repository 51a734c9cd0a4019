/** A pipeline over the threads of one process, through inproc: `npx tsx examples/worker-threads.ts`. */
import { isMainThread, parentPort, Worker } from "node:worker_threads";
import { Pull, Push } from "../lib/index.ts";
import {
  type End,
  type Parcel,
  type Portion,
  runSink,
  runSource,
  runStage,
} from "../patterns/pipeline.ts";

/** Numbers from `first` up to and without `end`. */
interface Range {
  readonly first: number;
  readonly end: number;
}

const WORK = "inproc://ranges";
const RESULTS = "inproc://counts";
const THREADS = 2;
const LIMIT = 200_000;
const STEP = 1_000;

if (isMainThread) await main();
else await thread();

async function main(): Promise<void> {
  await using work = new Push<Range>();
  await using ends = new Push<End>();
  await using results = new Pull<Parcel<number>>();
  await work.bind(WORK);
  await results.bind(RESULTS);
  ends.connect(RESULTS);

  const threads = Array.from({ length: THREADS }, startThread);
  const ended = Promise.all(threads.map(exitOf));
  // Without this wait the first thread to connect would get the ranges of the others.
  await Promise.race([work.ready({ peers: THREADS }), ended]);

  const done = new AbortController();
  const source = runSource({ values: ranges(), work, results: ends, signal: done.signal });
  let primes = 0;
  const take = (count: number) => {
    primes += count;
  };
  // After the failure of a thread the sink would wait indefinitely: whichever ends first decides.
  const count = await Promise.race([runSink({ results, take }), ended, source]);
  console.log(`${count} ranges, ${primes} primes below ${LIMIT}`);

  done.abort();
  for (const worker of threads) worker.postMessage("done");
  await source;
  // The other end of an inproc connection has to take part in closing it.
  await results.close();
  await ended;
}

/** The program of each thread. */
async function thread(): Promise<void> {
  const done = new AbortController();
  parentPort!.once("message", () => done.abort());
  await using work = new Pull<Range>();
  await using results = new Push<Portion<number>>();
  results.connect(RESULTS);
  work.connect(WORK);
  const step = (batch: Range[]) => batch.reduce((sum, range) => sum + primesIn(range), 0);
  await runStage({ work, results, step, signal: done.signal });
}

function* ranges(): Generator<Range> {
  for (let first = 0; first < LIMIT; first += STEP) yield { first, end: first + STEP };
}

function primesIn({ first, end }: Range): number {
  let count = 0;
  for (let candidate = Math.max(2, first); candidate < end; candidate++) {
    if (isPrime(candidate)) count++;
  }
  return count;
}

function isPrime(candidate: number): boolean {
  for (let divisor = 2; divisor * divisor <= candidate; divisor++) {
    if (candidate % divisor === 0) return false;
  }
  return true;
}

/** Runs this file in a thread. A compiled program only needs `new Worker(new URL(import.meta.url))`. */
function startThread(): Worker {
  const loader = JSON.stringify(import.meta.resolve("tsx/esm/api"));
  const program = JSON.stringify(import.meta.url);
  const code = `import(${loader}).then((tsx) => (tsx.register(), import(${program})));`;
  return new Worker(code, { eval: true });
}

/** Resolves when the thread has ended without an error. */
function exitOf(worker: Worker): Promise<void> {
  return new Promise((resolve, reject) => {
    worker.once("error", reject);
    worker.once("exit", (code) => {
      if (code === 0) resolve();
      else reject(new Error(`a thread ended with exit code ${code}`));
    });
  });
}
