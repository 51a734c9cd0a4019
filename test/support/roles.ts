import {
  type CommonOptions,
  Dealer,
  Publisher,
  Pull,
  Push,
  Replier,
  Requester,
  Router,
  Subscriber,
  type TypedSocket,
} from "../../lib/index.ts";
import type { Role } from "../../lib/role.ts";

/** Options that every role takes. */
type RoleOptions = Omit<CommonOptions, "batch">;

/** A role, and the role of its usual peers. */
export interface RolePair {
  readonly role: Role;
  readonly make: (options?: RoleOptions) => TypedSocket;
  readonly makePeer: (options?: RoleOptions) => TypedSocket;
}

const subscriber = (options?: RoleOptions): TypedSocket => {
  const made = new Subscriber(options);
  made.subscribe("#");
  return made;
};
const make = {
  Dealer: (options) => new Dealer(options),
  Publisher: (options) => new Publisher(options) as unknown as TypedSocket,
  Pull: (options) => new Pull(options),
  Push: (options) => new Push(options),
  Replier: (options) => new Replier(options),
  Requester: (options) => new Requester(options),
  Router: (options) => new Router(options),
  Subscriber: subscriber,
} satisfies Record<Role, RolePair["make"]>;

const PEERS: Readonly<Record<Role, Role>> = {
  Dealer: "Router",
  Publisher: "Subscriber",
  Pull: "Push",
  Push: "Pull",
  Replier: "Requester",
  Requester: "Replier",
  Router: "Dealer",
  Subscriber: "Publisher",
};

/** All eight roles; the subscribers among them want everything. */
export const ROLES: readonly RolePair[] = (Object.keys(PEERS) as Role[]).map((role) => ({
  role,
  make: make[role],
  makePeer: make[PEERS[role]],
}));
