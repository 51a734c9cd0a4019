import type { Scenario } from "./scenario.ts";

/** Every scenario there is; each is the file of that name in scenarios/, which exports `scenario`. */
export const SCENARIO_NAMES = [
  "push-pull",
  "push-pull-object",
  "push-pull-await-each",
  "durable-push-pull",
  "durable-push-pull-object",
  "reliable-latency",
  "work-queue",
  "pub-sub",
  "request-reply",
  "dealer-router",
  "batch-size",
  "journal",
  "journal-stored",
  "journal-appenders",
  "journal-read",
] as const;

/** @returns where the scenario of that name is, for {@link loadScenario} in any process */
export function scenarioUrl(name: string): string {
  return new URL(`scenarios/${name}.ts`, import.meta.url).href;
}

/** Loads one scenario only, so that none is measured on the heap of another. */
export async function loadScenario(url: string): Promise<Scenario> {
  const module = (await import(url)) as { readonly scenario: Scenario };
  return module.scenario;
}
