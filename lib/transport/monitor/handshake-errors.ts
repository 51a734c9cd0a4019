import { BrokerlessError } from "../../errors.ts";
import { errnoOf } from "../native/errno.ts";
import type { Endpoint } from "./address-book.ts";

/**
 * Likely causes by libzmq's error; its own text, "ZMTP protocol error", is the same for all of
 * them.
 */
const ONE_SIDED = "one side has keys (security) and the other has none";
const CAUSES = {
  bound: {
    notAllowed: "the key of the peer is not allowed here (allow)",
    wrongKey: "the serverKey of the peer is not the publicKey here",
  },
  connected: {
    notAllowed: "the server does not allow the publicKey here",
    wrongKey: "the serverKey here is not the publicKey of the server",
  },
} as const;

/**
 * A handshake failed for a reason that libzmq reports.
 *
 * @param endpoint its address; null for a released address
 */
export function handshakeError(endpoint: Endpoint | null, cause: Error): BrokerlessError {
  const refused = "status" in cause || /CRYPTOGRAPHIC|MECHANISM|ZAP/.test(errnoOf(cause));
  const place = endpoint === null ? "an address that was given up" : endpoint.address;
  const likely = causeOf(endpoint?.side ?? "bound", cause);
  const why = likely === null ? "" : `; the likely cause: ${likely}`;
  return new BrokerlessError(
    refused ? "BROKERLESS_SECURITY" : "BROKERLESS_PROTOCOL",
    `handshake failed at ${place}: ${cause.message}${why}`,
    { cause },
  );
}

/** A connection ended before its handshake, without a reason. */
export function abortedError(address: string): BrokerlessError {
  const message = `a connection at ${address} ended before its handshake: the peer gave up, or its process ended; where this repeats, its socket is of an incompatible kind, such as a plain one where this one is reliable, or ${ONE_SIDED}`;
  return new BrokerlessError("BROKERLESS_PROTOCOL", message);
}

/** The same, repeatedly, at a connecting socket with keys. */
export function unexplainedError(address: string): BrokerlessError {
  const message = `the server at ${address} ends connections during the handshake without a reason: its key may not be the serverKey here, or it has no keys, or there is no server of this kind`;
  return new BrokerlessError("BROKERLESS_SECURITY", message);
}

function causeOf(side: Endpoint["side"], cause: Error): string | null {
  if ("status" in cause) return CAUSES[side].notAllowed;
  const errno = errnoOf(cause);
  if (errno.includes("MECHANISM")) return ONE_SIDED;
  return errno.includes("CRYPTOGRAPHIC") ? CAUSES[side].wrongKey : null;
}
