/**
 * The build of msgpackr that generates no code and loads no native addon; the package declares types for the others
 * only. It is a module of its own, so that nobody else's extensions and buffers are shared with it.
 */
declare module "msgpackr/index-no-eval" {
  export { Packr, RESERVE_START_SPACE, REUSE_BUFFER_MODE, Unpackr } from "msgpackr";
}
