import { Worker } from "node:worker_threads";

const tsx = import.meta.resolve("tsx/esm/api");

/** Runs a TypeScript module in a worker thread. */
export function startThread(module: string, workerData: unknown): Worker {
  const boot = `import { register } from "${tsx}"; register(); await import("${module}");`;
  const code = new URL(`data:text/javascript,${encodeURIComponent(boot)}`);
  return new Worker(code, { workerData });
}
