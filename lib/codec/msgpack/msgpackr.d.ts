/**
 * The build of msgpackr that generates no code and loads no native addon; the package declares
 * types only for the other builds. It is a separate module, so that its extensions and buffers are
 * shared with no other user of msgpackr.
 */
declare module "msgpackr/index-no-eval" {
  export { Packr, RESERVE_START_SPACE, REUSE_BUFFER_MODE, Unpackr } from "msgpackr";
}
