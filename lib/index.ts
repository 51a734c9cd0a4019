export { ByteWriter } from "./codec/byte-writer.ts";
export type { Codec, Delimiter } from "./codec/codec.ts";
export { json } from "./codec/json.ts";
export { msgpack } from "./codec/msgpack.ts";
export { raw } from "./codec/raw.ts";
export {
  BrokerlessError,
  type BrokerlessErrorOptions,
  type ErrorCode,
  RemoteError,
  type RemoteErrorInit,
} from "./errors.ts";
export { Dealer, type DealerOptions } from "./socket/dealer.ts";
export { type Delivery, Pull, type PullOptions } from "./socket/pull.ts";
export { Push, type PushOptions } from "./socket/push.ts";
