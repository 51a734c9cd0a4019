import type { InprocEndpoints } from "./inproc/inproc-endpoints.ts";
import type { AddressBook } from "./monitor/address-book.ts";
import type { PeerWatch } from "./monitor/peer-watch.ts";
import type { NativeSocket } from "./native/native.ts";
import type { NativeCalls } from "./native/native-calls.ts";

/**
 * A native socket, and the parts that are notified when one of its addresses is added or removed.
 */
export interface SocketParts {
  readonly native: NativeSocket;
  readonly endpoints: AddressBook;
  readonly inproc: InprocEndpoints;
  readonly watch: PeerWatch;
  readonly calls: NativeCalls;
}
