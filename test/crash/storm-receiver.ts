import { appendFileSync } from "node:fs";
import { join } from "node:path";
import {
  Pull,
  type PullOptions,
  type ReliablePull,
  type ReliablePullOptions,
} from "../../lib/index.ts";
import { FileJournal } from "../../lib/journal/index.ts";

/** What a receiver of a storm is told, as JSON. */
export interface StormReceiver {
  readonly directory: string;
  readonly addresses: readonly string[];
  /** With a journal of what it did, with an ack layer in memory, or without one. */
  readonly kind: "inbox" | "memory" | "plain";
  readonly name: string;
  /** Between an effect and its acknowledgement (milliseconds). */
  readonly workMs: number;
  /** Whether it acknowledges before the effect. */
  readonly acksFirst: boolean;
  readonly rules: Omit<ReliablePullOptions<string>, "reliable">;
}

/**
 * With an inbox an effect is an entry of that journal, under the id of its delivery, and is not repeated where the
 * id is there.
 */
async function receiveWithInbox(receiver: StormReceiver): Promise<void> {
  const inbox = await FileJournal.open(join(receiver.directory, `inbox-${receiver.name}`));
  const known = new Set<string>();
  for await (const { value } of inbox.read()) {
    known.add(Buffer.from(value).toString().split(" ")[0]!);
  }
  const pull = open(receiver, { reliable: true, inbox });
  for await (const delivery of pull.deliveries()) {
    if (known.has(delivery.id)) {
      delivery.ack();
      continue;
    }
    known.add(delivery.id);
    const stored = inbox.append(Buffer.from(`${delivery.id} ${delivery.value}`));
    void stored.then(() => {
      said();
      delivery.ack();
    });
  }
}

/** Without an inbox an effect is a line of a file that all receivers share. */
async function receive(receiver: StormReceiver): Promise<void> {
  const { kind, directory, workMs, acksFirst } = receiver;
  const effect = async (value: string): Promise<void> => {
    if (acksFirst) {
      said();
      await pause(workMs);
    }
    appendFileSync(join(directory, "effects"), `${value}\n`);
    if (acksFirst) return;
    said();
    if (workMs > 0) await pause(workMs);
  };
  if (kind === "memory") {
    for await (const delivery of open(receiver, { reliable: true }).deliveries()) {
      if (acksFirst) delivery.ack();
      await effect(delivery.value);
      delivery.ack();
    }
    return;
  }
  for await (const value of open(receiver, {})) {
    if (value === "end") process.stdout.write("end\n");
    else await effect(value);
  }
}

function open(
  { addresses, rules }: StormReceiver,
  kind: PullOptions<string>,
): ReliablePull<string> {
  // Of a plain one nothing is used that it lacks.
  const pull = new Pull<string>({ ...kind, ...rules } as ReliablePullOptions<string>);
  for (const address of addresses) pull.connect(address);
  process.stdout.write("start\n");
  return pull;
}

let effects = 0;

/** Who wants to hit between an effect and its acknowledgement, whichever is first, hears when. */
function said(): void {
  if (++effects % 20 === 0) process.stdout.write(`did ${effects}\n`);
}

/** For so long a message is worked on: a blow may fall meanwhile. Nothing is waited for. */
function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

const given = JSON.parse(process.argv[2]!) as StormReceiver;
await (given.kind === "inbox" ? receiveWithInbox(given) : receive(given));
