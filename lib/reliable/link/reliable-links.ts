import type { LinkTraits } from "../../core/link-endpoints.ts";
import { LINK_PARTS_MAX } from "../../transport/link-hub.ts";

/** The links of both ends of a reliable pair. What ZeroMQ queues for a peer is bounded by the credit. */
export const RELIABLE_LINKS: LinkTraits = Object.freeze({
  peerFramesMin: 1_000,
  partsMax: LINK_PARTS_MAX,
  knowsIncoming: false,
});
