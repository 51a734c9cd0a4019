/** A process of its own for the hostile peers, so that what they cost is not taken for what they do. */
import {
  CURVE_MODES,
  LIMITLESS_MODES,
  LIMITLESS_SUBSCRIBER_MODES,
  MODES,
  SUBSCRIBER_MODES,
  type Target,
} from "./modes.ts";

/** One mode. */
export interface Attack {
  readonly mode: string;
  readonly target: Target;
}

/** What the tests ask for: to do the worst, and then to let go of the victim. */
export type Order = Attack | "let go";

/** What comes back when it is done: null, or why the mode could not run. */
export type Report = { readonly error: string | null };

const ALL = {
  ...CURVE_MODES,
  ...MODES,
  ...SUBSCRIBER_MODES,
  ...LIMITLESS_MODES,
  ...LIMITLESS_SUBSCRIBER_MODES,
};

let letGo: (() => void) | undefined;

process.on("message", async (order: Order) => {
  let error: string | null = null;
  try {
    if (order === "let go") letGo?.();
    else letGo = await ALL[order.mode]!(order.target);
  } catch (cause) {
    error = String(cause);
  }
  process.send?.({ error } satisfies Report);
});
