import { repeatUntil, turn } from "../../support/eventually.ts";

const registry = new FinalizationRegistry<() => void>((gone) => gone());

/** With --expose-gc: collects until an object that is made now is gone, and with it all that nobody has held longer. */
export async function collect(): Promise<void> {
  const gone = new Promise<void>((resolve) => registry.register({}, resolve));
  await repeatUntil(() => globalThis.gc!(), gone);
  // Native parts end in a turn of the event loop after that.
  await turn();
}
