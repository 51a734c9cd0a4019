/** A process of its own for the hostile peers, so that what they cost is not taken for what they do. */
import {
  CURVE_MODES,
  LIMITLESS_MODES,
  LIMITLESS_SUBSCRIBER_MODES,
  MODES,
  SUBSCRIBER_MODES,
  type Target,
} from "./modes.ts";

/** What the tests ask for. */
export interface Order {
  readonly mode: string;
  readonly target: Target;
}

/** What comes back: null, or why the mode could not run. */
export type Report = { readonly error: string | null };

const ALL = {
  ...CURVE_MODES,
  ...MODES,
  ...SUBSCRIBER_MODES,
  ...LIMITLESS_MODES,
  ...LIMITLESS_SUBSCRIBER_MODES,
};

process.on("message", async ({ mode, target }: Order) => {
  let error: string | null = null;
  try {
    await ALL[mode]!(target);
  } catch (cause) {
    error = String(cause);
  }
  process.send?.({ error } satisfies Report);
});
