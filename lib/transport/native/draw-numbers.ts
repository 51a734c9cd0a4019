import { randomInt } from "node:crypto";
import { Request } from "zeromq";

/**
 * Upper limit of the random numbers that are drawn from libzmq before the first ROUTER draws its
 * own (count of pairs).
 */
const DRAWS_MAX = 64;

let drawn = false;

/**
 * Makes the first routing ids of libzmq's ROUTERs unpredictable: nobody seeds its `rand()`, so the
 * first one would be the same in every process. To be called before a ROUTER is created; acts once.
 *
 * @see docs/decisions/0009-assertions.md
 */
export function drawNumbers(): void {
  if (drawn) return;
  for (let count = randomInt(DRAWS_MAX); count > 0; count--) new Request({}).close();
  drawn = true;
}
