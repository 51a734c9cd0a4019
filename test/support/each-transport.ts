import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type TestContext, test } from "node:test";
import type { TypedSocket } from "../../lib/index.ts";
import { WATCHDOG_MS } from "./watchdog.ts";

/** Every transport on which all roles must behave alike. */
export const TRANSPORTS = ["tcp", "ipc", "inproc"] as const;
export type Transport = (typeof TRANSPORTS)[number];

let names = 0;

/** Where the sockets of one test meet. */
export interface Wire {
  readonly transport: Transport;
  /** An address that can be bound, another one at each call. */
  address(): string;
  /**
   * Binds the first socket, connects the others to it, and waits until every one has shaken hands.
   * Publishers count those who have subscribed, so subscribe first.
   *
   * @returns the address that was bound
   */
  join(bound: Peer, ...connected: readonly Peer[]): Promise<string>;
}

type Peer = Pick<TypedSocket, "bind" | "connect" | "ready">;

/** Declares the same test for each transport. The name is a claim that holds for all of them. */
export function eachTransport(
  claim: string,
  body: (t: TestContext, wire: Wire) => Promise<void>,
): void {
  for (const transport of TRANSPORTS) {
    test(`${claim} (${transport})`, { timeout: WATCHDOG_MS }, (t) => body(t, wireOf(t, transport)));
  }
}

/** A place to meet, for tests that run over one transport. */
export function wireOf(t: TestContext, transport: Transport): Wire {
  const address = (): string => freshAddress(t, transport);
  return {
    transport,
    address,
    async join(bound, ...connected) {
      const resolved = await bound.bind(address());
      for (const socket of connected) socket.connect(resolved);
      await Promise.all(connected.map((socket) => socket.ready()));
      await bound.ready({ peers: connected.length });
      return resolved;
    },
  };
}

function freshAddress(t: TestContext, transport: Transport): string {
  names += 1;
  if (transport === "tcp") return "tcp://127.0.0.1:*";
  if (transport === "inproc") return `inproc://test-${names}`;
  const directory = mkdtempSync(join(tmpdir(), "brokerless-"));
  t.after(() => rmSync(directory, { recursive: true }));
  return `ipc://${directory}/socket`;
}
