import { ClientIdentity, type ResolvedSecurity, ServerIdentity } from "../curve/security.ts";
import type { Address } from "../native/address.ts";
import { type Descriptors, processDescriptors } from "../native/descriptors.ts";

/** With fewer file descriptors, honest peers alone may use them up (count). */
const DESCRIPTORS_MIN = 16_384;

/**
 * Whether a bound address has a gate where the option `gate` is not given. A gate has its cost, so
 * there is one only where unknown peers may connect, and where descriptors may run out: libzmq then
 * ends the process over ipc, and retries without a pause over tcp.
 *
 * @see docs/decisions/0009-assertions.md
 */
export function needsGate(
  { transport, loopback, text }: Address,
  security: ResolvedSecurity,
  descriptors: Descriptors = processDescriptors(),
): boolean {
  // A gate does not understand the first bytes of a CURVE client, and a client that binds expects
  // only one server.
  if (transport === "inproc" || security instanceof ClientIdentity) return false;
  // Node before 22 pads an abstract name with zero bytes, and libzmq does not: the names would
  // differ.
  if (text.startsWith("ipc://@")) return false;
  if (transport === "tcp" && security instanceof ServerIdentity) return true;
  if (transport === "tcp" && security === "none" && !loopback) return true;
  return descriptors.max !== null && descriptors.max < DESCRIPTORS_MIN;
}
