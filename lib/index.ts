export type { MessageHeaders } from "./batch/headers.ts";
export { ByteWriter, type SlabSource } from "./codec/byte-writer.ts";
export type { Codec, Delimiter, EncodeLimits, PieceReader } from "./codec/codec.ts";
export { json } from "./codec/json.ts";
export { msgpack } from "./codec/msgpack/msgpack.ts";
export { raw } from "./codec/raw.ts";
export type { Listener } from "./core/events/events.ts";
export type { LogFields, Logger, LogLevel } from "./core/events/logger.ts";
export type { Peer, PeerEvent } from "./core/events/peer.ts";
export type {
  DeadMessages,
  FailedRequest,
  MessageRange,
  MessageRanges,
  MissedMessages,
  PublisherEvents,
  SocketEvents,
  SubscriberEvent,
} from "./core/events/socket-events.ts";
export type { WhyDead } from "./core/events/why-dead.ts";
export type { PeerId } from "./core/peer-id.ts";
export type { Message } from "./core/queue/receive-queue.ts";
export type { ReadyOptions } from "./core/ready-calls.ts";
export type { RunOptions } from "./core/run.ts";
export type {
  ConfirmLevel,
  PlainSendOptions,
  SendOptions,
  TrySendOptions,
} from "./core/send-options.ts";
export type {
  BatchOptions,
  CommonOptions,
  RequestReplyOptions,
  TwoWayOptions,
  ValueOptions,
} from "./core/socket-options.ts";
export type { SocketStats, SocketStatus } from "./core/socket-stats.ts";
export { TypedSocket } from "./core/typed-socket.ts";
export type { ReliableWritableOptions, WritableOptions } from "./core/writable.ts";
export {
  BrokerlessError,
  type BrokerlessErrorOptions,
  type Damage,
  type ErrorCode,
  RemoteError,
  type RemoteErrorInit,
} from "./errors.ts";
export type { HandlerError } from "./handler-error.ts";
export type { RequestContext } from "./plain/request/request-context.ts";
export type {
  AckOptions,
  Delivery,
  NackOptions,
  RejectOptions,
  ReliableDelivery,
} from "./reliable/receiver/delivery.ts";
export type { DeliveredMessage } from "./reliable/receiver/reliable-inbound.ts";
export type {
  Acknowledged,
  Journaled,
  ReliableReceiveOptions,
  ReliableSendOptions,
  Remembering,
} from "./reliable/reliable-options.ts";
export type { DeadLetter, DeadLetters } from "./reliable/sender/dead-letters.ts";
export type { Role } from "./role.ts";
export { Dealer, type DealerOptions } from "./socket/dealer.ts";
export type { Guarantee } from "./socket/explain.ts";
export {
  Publisher,
  type PublisherOptions,
  type TopicMap,
  type TopicOf,
} from "./socket/publisher.ts";
export {
  type PlainPullOptions,
  Pull,
  type PullConstructor,
  type PullOptions,
  type ReliablePull,
  type ReliablePullOptions,
} from "./socket/pull.ts";
export {
  type PlainPushOptions,
  Push,
  type PushConstructor,
  type PushOptions,
  type ReliablePush,
  type ReliablePushOptions,
} from "./socket/push.ts";
export {
  type Handler,
  Replier,
  type ReplierOptions,
} from "./socket/replier.ts";
export { Requester, type RequesterOptions, type RequestOptions } from "./socket/requester.ts";
export { type Routed, Router, type RouterOptions } from "./socket/router.ts";
export { type Publication, Subscriber, type SubscriberOptions } from "./socket/subscriber.ts";
export { generateKeyPair, type KeyPair } from "./transport/curve/curve.ts";
export type { CurveClient, CurveServer, Security } from "./transport/curve/security.ts";
export type { AllowFunction } from "./transport/curve/zap-policy.ts";
export type { WaitOptions } from "./wait.ts";
