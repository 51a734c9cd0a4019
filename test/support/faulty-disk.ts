import type { Disk, DiskFile } from "../../lib/journal/disk/disk.ts";
import { errno } from "./sim-disk.ts";

/** The calls of a disk and its files, by name. */
export type DiskCall =
  | Exclude<keyof Disk, "open">
  | "open"
  | Exclude<keyof DiskFile, "close" | "size">
  | "size"
  | "close";

/** What a fault does: an error's code, or a write of fewer bytes than asked for. */
export type Fault = { readonly code: string } | { readonly writeBytes: number } | null;

/** Asked before each call; `index` counts all calls from 0. */
export type Plan = (call: DiskCall, index: number, bytes: number) => Fault;

/** A disk on which calls fail as planned; a failed call changes nothing. */
export class FaultyDisk implements Disk {
  readonly #disk: Disk;
  /** Calls so far (count). */
  calls = 0;
  plan: Plan;

  constructor(disk: Disk, plan: Plan) {
    this.#disk = disk;
    this.plan = plan;
  }

  makeDirectory(path: string): Promise<boolean> {
    return this.#call("makeDirectory", () => this.#disk.makeDirectory(path));
  }

  list(path: string): Promise<string[]> {
    return this.#call("list", () => this.#disk.list(path));
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile> {
    const file = await this.#call("open", () => this.#disk.open(path, mode));
    return {
      size: () => this.#call("size", () => file.size()),
      read: (target, position) => this.#call("read", () => file.read(target, position)),
      write: (pieces, position) => this.#write(file, pieces, position),
      truncate: (bytes) => this.#call("truncate", () => file.truncate(bytes)),
      sync: () => this.#call("sync", () => file.sync()),
      close: () => this.#call("close", () => file.close()),
    };
  }

  rename(from: string, to: string): Promise<void> {
    return this.#call("rename", () => this.#disk.rename(from, to));
  }

  unlink(path: string): Promise<void> {
    return this.#call("unlink", () => this.#disk.unlink(path));
  }

  syncDirectory(path: string): Promise<void> {
    return this.#call("syncDirectory", () => this.#disk.syncDirectory(path));
  }

  async #call<T>(call: DiskCall, work: () => Promise<T>): Promise<T> {
    const fault = this.plan(call, this.calls++, 0);
    if (fault !== null && "code" in fault) throw errno(fault.code, call);
    return work();
  }

  async #write(file: DiskFile, pieces: readonly Uint8Array[], position: number): Promise<number> {
    const bytes = Buffer.concat(pieces);
    const fault = this.plan("write", this.calls++, bytes.length);
    if (fault === null) return file.write(pieces, position);
    if ("code" in fault) throw errno(fault.code, "write");
    return fault.writeBytes === 0 ? 0 : file.write([bytes.subarray(0, fault.writeBytes)], position);
  }
}
