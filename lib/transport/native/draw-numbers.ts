import { randomInt } from "node:crypto";
import { Request } from "zeromq";

/** Numbers of libzmq's that are drawn before the first ROUTER draws its own: less than so many pairs (count). */
const DRAWS_MAX = 64;

let drawn = false;

/**
 * Makes the numbers uncertain that libzmq's ROUTERs begin with: nobody seeds its `rand()`, so that the first one of
 * every process would begin with the same. To be called before one is made; acts once.
 *
 * @see docs/decisions/0009-assertions.md
 */
export function drawNumbers(): void {
  if (drawn) return;
  for (let count = randomInt(DRAWS_MAX); count > 0; count--) new Request({}).close();
  drawn = true;
}
