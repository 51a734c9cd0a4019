import { ClientIdentity, type ResolvedSecurity, ServerIdentity } from "../curve/security.ts";
import type { Address } from "../native/address.ts";
import { type Descriptors, processDescriptors } from "../native/descriptors.ts";

/** With fewer file descriptors honest peers alone may use them up (count). */
const DESCRIPTORS_MIN = 16_384;

/**
 * Whether a bound address has a gate where the option `gate` does not say so. Its price is paid where strangers
 * come, and where descriptors may run out: libzmq ends the process then over ipc, and over tcp tries without a pause.
 *
 * @see docs/decisions/0009-assertions.md
 */
export function needsGate(
  { transport, loopback, text }: Address,
  security: ResolvedSecurity,
  descriptors: Descriptors = processDescriptors(),
): boolean {
  // What a client of CURVE says first is not what a gate reads; and it binds to meet one server.
  if (transport === "inproc" || security instanceof ClientIdentity) return false;
  // Node before 22 pads an abstract name with zero bytes, and libzmq does not: they would not meet.
  if (text.startsWith("ipc://@")) return false;
  if (transport === "tcp" && security instanceof ServerIdentity) return true;
  if (transport === "tcp" && security === "none" && !loopback) return true;
  return descriptors.max !== null && descriptors.max < DESCRIPTORS_MIN;
}
