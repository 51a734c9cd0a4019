import { rmSync } from "node:fs";
import { rm } from "node:fs/promises";
import { networkInterfaces } from "node:os";
import { bindFreePath } from "../native/ipc-path.ts";
import { SocketFile } from "../native/socket-file.ts";
import { Gate, type GateOptions, type GatePlace } from "./gate.ts";
import { innerPathOf, makeGateDirectory } from "./gate-directories.ts";

/** Dependencies of {@link GatedListener}. */
export interface GatedListenerOptions
  extends Omit<GateOptions, "place" | "path" | "handshakeMsMax"> {
  /** The address for peers: `tcp://HOST:PORT` or `ipc://PATH`, checked. */
  readonly address: string;
  /** Binds the native socket to an ipc address. */
  readonly bindInner: (address: string) => void;
  /** Undoes `bindInner` when the gate cannot listen at the address for peers. */
  readonly unbindInner: (address: string) => void;
}

/** Time limit of a handshake, the same as libzmq's own (milliseconds). */
const HANDSHAKE_MS_MAX = 2_000;

/**
 * A tcp or ipc address with a {@link Gate} on it, and the native socket behind it, on a unix socket
 * in a directory that no other account may enter.
 *
 * @see docs/decisions/0004-security.md
 */
export class GatedListener {
  /** The address with its wildcard resolved. */
  readonly address: string;
  /** The address to which the native socket is bound, as it appears in its events. */
  readonly inner: string;
  readonly #gate: Gate;
  readonly #directory: string;
  /** The file by which ipc peers connect to the gate. */
  readonly #file: SocketFile | null;

  private constructor(
    { gate, file, directory }: Opened & { readonly directory: string },
    { address }: GatedListenerOptions,
  ) {
    this.#gate = gate;
    this.#file = file;
    this.#directory = directory;
    this.inner = innerOf(directory);
    this.address = address.startsWith("tcp:") ? gate.address : address;
  }

  /** Connections refused or cut off (count). */
  get refused(): number {
    return this.#gate.refused;
  }

  /** @throws the error of the system, or of `bindInner`; nothing is left behind then */
  static async open(options: GatedListenerOptions): Promise<GatedListener> {
    const directory = await makeGateDirectory();
    let isBound = false;
    try {
      options.bindInner(innerOf(directory));
      isBound = true;
      const opened = await openGate(options, directory);
      return new GatedListener({ ...opened, directory }, options);
    } catch (error) {
      if (isBound) options.unbindInner(innerOf(directory));
      await rm(directory, { recursive: true, force: true });
      throw error;
    }
  }

  /** Accepts nobody any more; resolves when the address can be bound again. @see {@link Gate.close} */
  async close(lingerMs: number): Promise<void> {
    this.#file?.remove();
    await this.#gate.close(lingerMs);
    await rm(this.#directory, { recursive: true, force: true });
  }

  /** Resolves when no connection is left, after {@link close}. */
  ended(): Promise<void> {
    return this.#gate.ended();
  }

  /** Removes the files, for a thread that ends: its connections end with it. */
  closeNow(): void {
    this.#file?.remove();
    rmSync(this.#directory, { recursive: true, force: true });
  }
}

interface Opened {
  readonly gate: Gate;
  readonly file: SocketFile | null;
}

async function openGate(options: GatedListenerOptions, directory: string): Promise<Opened> {
  const { address, bindInner: _, unbindInner: __, ...rest } = options;
  const open = (place: GatePlace): Promise<Gate> => {
    const path = pathOf(innerOf(directory));
    return Gate.open({ ...rest, place, path, handshakeMsMax: HANDSHAKE_MS_MAX });
  };
  if (!address.startsWith("ipc:")) return { gate: await open(placeOf(address)), file: null };
  return await bindFreePath(pathOf(address), async (place) => {
    const file = new SocketFile(place, directory);
    let gate: Gate | null = null;
    try {
      gate = await open({ path: file.draft });
      file.publish();
      return { gate, file };
    } catch (error) {
      file.remove();
      await gate?.close(0);
      throw error;
    }
  });
}

function innerOf(directory: string): string {
  return `ipc://${innerPathOf(directory)}`;
}

function pathOf(address: string): string {
  return address.slice("ipc://".length);
}

/** Node listens on hosts and paths; libzmq also accepts `*` and the name of an interface. */
function placeOf(address: string): GatePlace {
  const colon = address.lastIndexOf(":");
  const name = address.slice("tcp://".length, colon).replace(/^\[|\]$/g, "");
  const port = address.slice(colon + 1);
  const ofInterface = networkInterfaces()[name]?.find(({ family }) => family === "IPv4")?.address;
  return {
    host: name === "*" ? "0.0.0.0" : (ofInterface ?? name),
    port: port === "*" ? 0 : Number(port),
  };
}
