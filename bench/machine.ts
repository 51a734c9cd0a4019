import { cpus, loadavg, release, totalmem, type } from "node:os";
import { version } from "zeromq";

/** The host of a measurement; without it a figure means little. */
export interface Machine {
  readonly cpu: string;
  readonly cores: number;
  readonly memoryGiB: number;
  readonly os: string;
  readonly node: string;
  readonly libzmq: string;
  /** Average number of runnable processes over the last minute, at the start of the measurement. */
  readonly loadAverage: number;
  readonly date: string;
}

/** Describes this host at present. */
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
