import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";

setFlagsFromString("--expose-gc");

/** Collects everything that nobody holds, now: a process that was started as usual has no `gc`. */
export const collectGarbage: () => void = runInNewContext("gc") as () => void;
