import type { Journal } from "../../lib/journal/journal.ts";

/** A journal with some of its members replaced. */
export function changed(journal: Journal, changes: Partial<Journal>): Journal {
  return new Proxy(journal, {
    get(target, key) {
      if (key in changes) return Reflect.get(changes, key);
      const value: unknown = Reflect.get(target, key, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
}
