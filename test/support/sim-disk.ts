import type { Disk, DiskFile } from "../../lib/journal/disk/disk.ts";
import type { Random } from "./random.ts";

/** A change to a simulated disk, as it was asked for. */
export type DiskOp =
  | { readonly kind: "write"; readonly inode: number; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: "truncate"; readonly inode: number; readonly bytes: number }
  /** A sync covers what was asked for before it began, and only when it has ended. */
  | { readonly kind: "syncBegun"; readonly inode: number; readonly id: number }
  | { readonly kind: "sync"; readonly inode: number; readonly id: number }
  /** What was to be synced is clean in the page cache, and will never be on the disk. */
  | { readonly kind: "syncFailed"; readonly inode: number }
  | { readonly kind: "link"; readonly path: string; readonly inode: number }
  | { readonly kind: "unlink"; readonly path: string }
  /** A name is given to a file, whatever else has had the old name in between. */
  | {
      readonly kind: "rename";
      readonly from: string;
      readonly to: string;
      readonly inode: number;
    }
  | { readonly kind: "mkdir"; readonly path: string }
  | { readonly kind: "syncDirectory"; readonly path: string };

interface Inode {
  durable: Buffer;
  pending: (DiskOp & { kind: "write" | "truncate" })[];
  /** Changes that are no longer pending (count). */
  settled: number;
}

const SECTOR_BYTES = 512;

/** What is durable, and what a power cut may or may not keep of the rest. */
export class DurableState {
  readonly #inodes = new Map<number, Inode>();
  readonly #names = new Map<string, number>();
  readonly #directories = new Set<string>();
  /** How many changes of its file each sync under way covers (count). */
  readonly #syncs = new Map<number, number>();
  readonly #pendingNames: (DiskOp & { kind: "link" | "unlink" | "rename" | "mkdir" })[] = [];

  apply(op: DiskOp): void {
    if (op.kind === "write" || op.kind === "truncate") this.#inode(op.inode).pending.push(op);
    else if (op.kind === "syncBegun") {
      const { pending, settled } = this.#inode(op.inode);
      this.#syncs.set(op.id, settled + pending.length);
    } else if (op.kind === "sync") this.#sync(op);
    else if (op.kind === "syncFailed") {
      const inode = this.#inode(op.inode);
      inode.settled += inode.pending.splice(0).length;
    } else if (op.kind === "syncDirectory") this.#syncDirectory(op.path);
    else this.#pendingNames.push(op);
  }

  /** One of the disks that a power cut may leave now. */
  crash(random: Random): SimDisk {
    const names = new Map(this.#names);
    const directories = new Set(this.#directories);
    const keepNames = random.below(4);
    const upTo = random.below(this.#pendingNames.length + 1);
    for (const [index, op] of this.#pendingNames.entries()) {
      const keep = [false, true, index < upTo, random.chance(0.5)][keepNames];
      if (keep) applyName(names, directories, op);
    }
    const files = new Map<number, Buffer>();
    for (const inode of names.values()) {
      if (!files.has(inode)) files.set(inode, crashInode(this.#inode(inode), random));
    }
    return new SimDisk({ names, directories, files });
  }

  #sync(op: { readonly inode: number; readonly id: number }): void {
    const inode = this.#inode(op.inode);
    const covered = Math.max(0, (this.#syncs.get(op.id) ?? 0) - inode.settled);
    this.#syncs.delete(op.id);
    for (const change of inode.pending.splice(0, covered)) {
      inode.durable = changed(inode.durable, change);
      inode.settled++;
    }
  }

  #syncDirectory(path: string): void {
    const rest = this.#pendingNames.splice(0);
    for (const op of rest) {
      const name = op.kind === "rename" ? op.to : op.path;
      if (parentOf(name) === path) applyName(this.#names, this.#directories, op);
      else this.#pendingNames.push(op);
    }
  }

  #inode(number: number): Inode {
    let inode = this.#inodes.get(number);
    if (inode === undefined) {
      inode = { durable: Buffer.alloc(0), pending: [], settled: 0 };
      this.#inodes.set(number, inode);
    }
    return inode;
  }
}

/** A file's bytes while a power cut is played: one buffer, as long as it may get. */
class CutFile {
  readonly #bytes: Buffer;
  #length: number;

  constructor(inode: Inode) {
    const ends = inode.pending.map((op) =>
      op.kind === "write" ? op.at + op.bytes.length : op.bytes,
    );
    this.#bytes = Buffer.alloc(Math.max(inode.durable.length, ...ends));
    inode.durable.copy(this.#bytes);
    this.#length = inode.durable.length;
  }

  get bytes(): Buffer {
    return this.#bytes.subarray(0, this.#length);
  }

  write(at: number, part: Buffer): void {
    part.copy(this.#bytes, at);
    this.#length = Math.max(this.#length, at + part.length);
  }

  truncate(length: number): void {
    this.#bytes.fill(0, Math.min(length, this.#length));
    this.#length = length;
  }

  /** By sector; the new length may be on the disk although the bytes are not: they read as zeros. */
  writeSectors(op: { readonly at: number; readonly bytes: Buffer }, random: Random): void {
    const sectorBytes = random.chance(0.5) ? SECTOR_BYTES : 4096;
    const end = op.at + op.bytes.length;
    const probability = random.next();
    for (let start = op.at; start < end; ) {
      const next = Math.min(end, (Math.floor(start / sectorBytes) + 1) * sectorBytes);
      if (random.chance(probability)) {
        this.write(start, op.bytes.subarray(start - op.at, next - op.at));
      }
      start = next;
    }
    if (this.#length < end && random.chance(0.5)) this.#length = end;
  }
}

/** Unsynced writes reach the disk by sector, in any order, or not; lengths likewise. */
function crashInode(inode: Inode, random: Random): Buffer {
  const mode = random.below(5);
  const file = new CutFile(inode);
  for (const op of inode.pending) {
    if (mode === 0) break;
    if (op.kind === "truncate") {
      if (mode === 1 || random.chance(0.5)) file.truncate(op.bytes);
      continue;
    }
    if (mode === 1) file.write(op.at, op.bytes);
    else if (mode === 4 && random.chance(0.3)) break;
    else file.writeSectors(op, random);
  }
  return file.bytes;
}

function changed(bytes: Buffer, op: DiskOp & { kind: "write" | "truncate" }): Buffer {
  const length = op.kind === "write" ? Math.max(bytes.length, op.at + op.bytes.length) : op.bytes;
  const result = Buffer.alloc(length);
  bytes.copy(result, 0, 0, Math.min(length, bytes.length));
  if (op.kind === "write") op.bytes.copy(result, op.at);
  return result;
}

function applyName(names: Map<string, number>, directories: Set<string>, op: DiskOp): void {
  if (op.kind === "link") names.set(op.path, op.inode);
  else if (op.kind === "unlink") names.delete(op.path);
  else if (op.kind === "mkdir") directories.add(op.path);
  else if (op.kind === "rename") {
    if (names.get(op.from) === op.inode) names.delete(op.from);
    names.set(op.to, op.inode);
  }
}

function parentOf(path: string): string {
  return path.slice(0, path.lastIndexOf("/")) || "/";
}

/** What is on a simulated disk at its start: all of it durable. */
export interface SimContents {
  readonly names: ReadonlyMap<string, number>;
  readonly directories: ReadonlySet<string>;
  readonly files: ReadonlyMap<number, Buffer>;
}

/** A disk in memory that records what it was asked to do, so that power cuts can be played. */
export class SimDisk implements Disk {
  /** Every change since the start, contents included. */
  readonly ops: DiskOp[] = [];
  readonly #names = new Map<string, number>();
  readonly #directories = new Set<string>(["/"]);
  readonly #files = new Map<number, { bytes: Buffer; length: number }>();
  #inodeNext = 1;
  #syncNext = 1;
  /** Syncs take a turn of the loop or two, so that much can happen while they are under way. */
  isSlow = false;
  /** The next sync of a file fails, and takes what it was to sync with it. */
  failsNextSync = false;

  constructor(contents?: SimContents) {
    if (contents === undefined) return;
    for (const path of contents.directories) this.#record({ kind: "mkdir", path });
    for (const [inode, bytes] of contents.files) {
      this.#record({ kind: "write", inode, at: 0, bytes });
      this.#synced(inode);
      this.#inodeNext = Math.max(this.#inodeNext, inode + 1);
    }
    for (const [path, inode] of contents.names) this.#record({ kind: "link", path, inode });
    for (const path of [...contents.directories, "/"])
      this.#record({ kind: "syncDirectory", path });
  }

  async makeDirectory(path: string): Promise<boolean> {
    if (this.#directories.has(path)) return false;
    this.#record({ kind: "mkdir", path });
    return true;
  }

  async list(path: string): Promise<string[]> {
    const all = [...this.#names.keys(), ...this.#directories];
    return all
      .filter((name) => name !== path && parentOf(name) === path)
      .map((name) => name.slice(name.lastIndexOf("/") + 1));
  }

  async open(path: string, mode: "read" | "write" | "create"): Promise<DiskFile> {
    let inode = this.#names.get(path);
    if (mode === "create" && inode !== undefined)
      this.#record({ kind: "truncate", inode, bytes: 0 });
    if (inode === undefined) {
      if (mode !== "create") throw errno("ENOENT", path);
      inode = this.#inodeNext++;
      this.#record({ kind: "link", path, inode });
    }
    return this.#open(inode);
  }

  async rename(from: string, to: string): Promise<void> {
    const inode = this.#names.get(from);
    if (inode === undefined) throw errno("ENOENT", from);
    this.#record({ kind: "rename", from, to, inode });
  }

  async unlink(path: string): Promise<void> {
    if (!this.#names.has(path)) throw errno("ENOENT", path);
    this.#record({ kind: "unlink", path });
  }

  async syncDirectory(path: string): Promise<void> {
    this.#record({ kind: "syncDirectory", path });
  }

  /** The bytes of a file as they are now, for a test that damages them. */
  peek(path: string): Buffer {
    const file = this.#files.get(this.#names.get(path) ?? 0);
    if (file === undefined) throw errno("ENOENT", path);
    return Buffer.from(file.bytes.subarray(0, file.length));
  }

  /** Replaces or removes a file behind the back of whoever uses the disk. */
  poke(path: string, bytes: Buffer | null): void {
    this.#record({ kind: "unlink", path });
    if (bytes !== null) {
      const inode = this.#inodeNext++;
      this.#record({ kind: "write", inode, at: 0, bytes });
      this.#synced(inode);
      this.#record({ kind: "link", path, inode });
    }
    this.#record({ kind: "syncDirectory", path: parentOf(path) });
  }

  /** Paths of all files. */
  get paths(): string[] {
    return [...this.#names.keys()].sort();
  }

  /** A disk with the same contents, all of it durable. */
  clone(): SimDisk {
    const files = new Map<number, Buffer>();
    for (const [inode, file] of this.#files) {
      files.set(inode, Buffer.from(file.bytes.subarray(0, file.length)));
    }
    return new SimDisk({ names: this.#names, directories: this.#directories, files });
  }

  #open(inode: number): DiskFile {
    const content = () => this.#content(inode);
    return {
      size: async () => content().length,
      async read(target, position) {
        const { bytes, length } = content();
        const end = Math.min(length, position + target.length);
        if (position >= end) return 0;
        target.set(bytes.subarray(position, end));
        return end - position;
      },
      write: async (pieces, position) => {
        const bytes = Buffer.concat(pieces);
        this.#record({ kind: "write", inode, at: position, bytes });
        return bytes.length;
      },
      truncate: async (bytes) => this.#record({ kind: "truncate", inode, bytes }),
      sync: () => this.#sync(inode),
      close: async () => {},
    };
  }

  async #sync(inode: number): Promise<void> {
    if (this.failsNextSync) {
      this.failsNextSync = false;
      this.#record({ kind: "syncFailed", inode });
      throw errno("EIO", "sync");
    }
    const id = this.#syncNext++;
    this.#record({ kind: "syncBegun", inode, id });
    if (this.isSlow) {
      for (let turn = 0; turn <= id % 3; turn++) await new Promise(setImmediate);
    }
    this.#record({ kind: "sync", inode, id });
  }

  #synced(inode: number): void {
    const id = this.#syncNext++;
    this.#record({ kind: "syncBegun", inode, id });
    this.#record({ kind: "sync", inode, id });
  }

  #record(op: DiskOp): void {
    this.ops.push(op);
    if (op.kind === "write") {
      const file = this.#content(op.inode);
      const end = op.at + op.bytes.length;
      if (end > file.bytes.length) {
        const larger = Buffer.alloc(end * 2);
        file.bytes.copy(larger, 0, 0, file.length);
        file.bytes = larger;
      }
      op.bytes.copy(file.bytes, op.at);
      file.length = Math.max(file.length, end);
    } else if (op.kind === "truncate") {
      const file = this.#content(op.inode);
      file.bytes.fill(0, Math.min(file.length, op.bytes));
      if (op.bytes > file.bytes.length) file.bytes = changed(file.bytes, op);
      file.length = op.bytes;
    } else applyName(this.#names, this.#directories, op);
  }

  #content(inode: number): { bytes: Buffer; length: number } {
    let file = this.#files.get(inode);
    if (file === undefined) {
      file = { bytes: Buffer.alloc(0), length: 0 };
      this.#files.set(inode, file);
    }
    return file;
  }
}

/** An error as node:fs makes them. */
export function errno(code: string, what: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated, ${what}`), { code });
}
