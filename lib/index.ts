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
export type { Listener } from "./socket/events.ts";
export type {
  AskOptions,
  BatchOptions,
  CommonOptions,
  TwoWayOptions,
  ValueOptions,
} from "./socket/options.ts";
export type { SendOptions } from "./socket/outbound.ts";
export type { PeerId } from "./socket/peer-id.ts";
export {
  Publisher,
  type PublisherEvents,
  type PublisherOptions,
  type TopicMap,
  type TopicOf,
} from "./socket/publisher.ts";
export { Pull, type PullOptions } from "./socket/pull.ts";
export { Push, type PushOptions } from "./socket/push.ts";
export type { DeadLetter, DeadLetters } from "./socket/reliable/dead-letters.ts";
export type {
  AckOptions,
  Delivery,
  NackOptions,
  ReliableDelivery,
} from "./socket/reliable/delivery.ts";
export type { Guarantee } from "./socket/reliable/explain.ts";
export type {
  ConfirmLevel,
  ReliableReceiveOptions,
  ReliableSendOptions,
} from "./socket/reliable/options.ts";
export {
  type Handler,
  Replier,
  type ReplierOptions,
  type RequestContext,
} from "./socket/replier.ts";
export { Requester, type RequesterOptions, type RequestOptions } from "./socket/requester.ts";
export { type Routed, Router, type RouterOptions } from "./socket/router.ts";
export type { RunOptions } from "./socket/run.ts";
export type { SocketStats } from "./socket/socket-stats.ts";
export { type Publication, Subscriber, type SubscriberOptions } from "./socket/subscriber.ts";
export {
  type MessageRange,
  type ReadyOptions,
  type SocketEvents,
  type SocketStatus,
  TypedSocket,
} from "./socket/typed-socket.ts";
export { generateKeyPair, type KeyPair } from "./transport/curve.ts";
export type { CurveClient, CurveServer, Security } from "./transport/security.ts";
export type { WaitOptions } from "./wait.ts";
