import { cpus, loadavg, release, totalmem, type } from "node:os";
import { version } from "zeromq";

/** Where and on what a figure was measured; without it the figure means little. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  readonly node: string;
  readonly libzmq: string;
  /** Processes that wanted to run over the last minute, when the measurement began. */
  readonly loadAverage: number;
  readonly date: string;
}

/** Looks at this machine, now. */
export function describeMachine(): Machine {
  const processors = cpus();
  return {
    cpu: processors[0]?.model.trim() ?? "unknown",
    cores: processors.length,
    memoryGiB: Math.round(totalmem() / 2 ** 30),
    os: `${type()} ${release()}`,
    node: process.version,
    libzmq: version,
    loadAverage: Math.round((loadavg()[0] ?? 0) * 100) / 100,
    date: new Date().toISOString(),
  };
}
