import type { DeadLetterRecord } from "../delivery/dispatch/dead-letter-record.ts";
import type { Outcome, Settled } from "../delivery/dispatch/dispatcher-events.ts";
import { deadLetterText } from "../delivery/protocol/error-texts.ts";
import { BrokerlessError, RemoteError } from "../errors.ts";

/**
 * The error for callers that wait for their message to be processed; null if it was processed, or if no
 * more is known than that it is settled.
 *
 * @param death cause of a dead letter; null if it is unknown, or no longer stored
 */
export function outcomeError(
  outcome: Outcome | Settled,
  death: DeadLetterRecord | null,
): BrokerlessError | null {
  if (outcome === "processed" || outcome === "settled") return null;
  if (outcome === "dead") {
    const why = death === null ? "it was rejected, or tried too often" : deadLetterText(death);
    const message = `the message is a dead letter now: ${why}`;
    return new BrokerlessError("BROKERLESS_DEAD_LETTER", message, causeOf(death));
  }
  if (outcome === "lost") {
    const message = "the message is lost: it is damaged in the journal, or was freed unprocessed";
    return new BrokerlessError("BROKERLESS_GAP", message);
  }
  const message = "the message was given up to make room for newer ones";
  return new BrokerlessError("BROKERLESS_DROPPED", message);
}

function causeOf(death: DeadLetterRecord | null): { readonly cause: RemoteError } | undefined {
  if (death === null || death.error === null) return undefined;
  const { name: remoteName, message, code: remoteCode } = death.error;
  return { cause: new RemoteError({ message, remoteName, remoteCode }) };
}
