import type { Scenario } from "./scenario.ts";

/** The names of all scenarios; each is the file of that name in scenarios/, which exports `scenario`. */
export const SCENARIO_NAMES = [
  "push-pull",
  "push-pull-object",
  "push-pull-await-each",
  "durable-push-pull",
  "durable-push-pull-object",
  "reliable-latency",
  "work-queue",
  "pub-sub",
  "pub-sub-topics",
  "request-reply",
  "dealer-router",
  "batch-size",
  "journal",
  "journal-stored",
  "journal-appenders",
  "journal-read",
] as const;

/** @returns the module of that scenario, for {@link loadScenario} in any process (URL) */
export function scenarioUrl(name: string): string {
  return new URL(`scenarios/${name}.ts`, import.meta.url).href;
}

/** Loads one scenario only, so that none is measured on the heap of another. */
export async function loadScenario(url: string): Promise<Scenario> {
  const module = (await import(url)) as { readonly scenario: Scenario };
  return module.scenario;
}
