import { BrokerlessError } from "../../errors.ts";
import { quoted, type Rule } from "../../options.ts";
import type { Address } from "../native/address.ts";
import { decodeKey, type KeyPair, publicKeyOf } from "./curve.ts";
import { type AllowFunction, functionPolicy, listPolicy, type Policy } from "./zap-policy.ts";

/**
 * CURVE as the server, which admits or refuses clients. The socket may bind and connect; every peer
 * must be a {@link CurveClient} that knows this public key.
 */
export interface CurveServer extends KeyPair {
  /**
   * Admitted clients: their public keys (40 characters of Z85), or a function that is called at
   * every handshake. A throw, a rejection or a result other than `true` refuses the client.
   */
  readonly allow: readonly string[] | AllowFunction;
  /**
   * Longest duration of a call of `allow`, after which the client is refused (milliseconds).
   * Default 1000: half of the time for a handshake.
   */
  readonly allowTimeoutMs?: number | undefined;
}

/**
 * CURVE as the client, which accepts only one server. The socket may connect and bind; every peer
 * must be a {@link CurveServer} that holds the secret key belonging to `serverKey`.
 */
export interface CurveClient extends KeyPair {
  /** The public key of the server (40 characters of Z85). */
  readonly serverKey: string;
}

/** The `security` option: CURVE in one of its two roles, or explicitly no security (`"none"`). */
export type Security = "none" | CurveServer | CurveClient;

/** The checked `security` option; `null` when it was not given. Shows no secret when inspected. */
export type ResolvedSecurity = null | "none" | ServerIdentity | ClientIdentity;

/** The properties of a native socket that CURVE sets. */
export interface CurveNative {
  curveServer: boolean;
  curvePublicKey: string | null;
  curveSecretKey: string | null;
  curveServerKey: string | null;
  zapDomain: string | null;
  zapEnforceDomain: boolean;
}

const ALLOW_TIMEOUT_MS = 1000;
const ALLOW_TIMEOUT_MS_MAX = 30_000;

/** A checked {@link CurveServer}. The secret key leaves it only into a native socket. */
export class ServerIdentity {
  readonly publicKey: string;
  readonly #secretKey: string;
  readonly #policy: Policy;

  constructor(keys: KeyPair, policy: Policy) {
    this.publicKey = keys.publicKey;
    this.#secretKey = keys.secretKey;
    this.#policy = policy;
  }

  /** Whether the client with this public key (32 bytes) is admitted. Never rejects. */
  admits(clientKey: Uint8Array): Promise<boolean> {
    return this.#policy(clientKey);
  }

  /**
   * Makes a native socket a CURVE server that consults the ZAP handler about every client.
   *
   * @param domain the ZAP domain of this socket alone
   */
  applyTo(native: CurveNative, domain: string): void {
    native.curveServer = true;
    native.curveSecretKey = this.#secretKey;
    native.zapDomain = domain;
    // Otherwise libzmq admits every key while there is no handler.
    native.zapEnforceDomain = true;
  }
}

/** A checked {@link CurveClient}. The secret key leaves it only into a native socket. */
export class ClientIdentity {
  readonly publicKey: string;
  readonly serverKey: string;
  readonly #secretKey: string;

  constructor(keys: KeyPair, serverKey: string) {
    this.publicKey = keys.publicKey;
    this.serverKey = serverKey;
    this.#secretKey = keys.secretKey;
  }

  /** Makes a native socket a CURVE client of one server. */
  applyTo(native: CurveNative): void {
    native.curvePublicKey = this.publicKey;
    native.curveSecretKey = this.#secretKey;
    native.curveServerKey = this.serverKey;
  }
}

/**
 * The rule of the `security` option.
 *
 * Its errors name the fields and never print a value: any of them may be a secret in the wrong
 * place.
 */
export const securityOption: Rule<ResolvedSecurity> = (value, name) => {
  if (value === null || value === "none") return value;
  if (typeof value !== "object") {
    throw new TypeError(
      `${name} must be "none" or an object with CURVE keys, got a ${typeof value}`,
    );
  }
  const given = value as Readonly<Record<string, unknown>>;
  const isServer = given.allow !== undefined;
  if (isServer === (given.serverKey !== undefined)) {
    throw new TypeError(
      `${name} must have either "allow" (a CURVE server) or "serverKey" (a CURVE client)`,
    );
  }
  const keys = checkKeyPair(given, name);
  if (isServer) {
    checkFields(given, ["publicKey", "secretKey", "allow", "allowTimeoutMs"], name);
    return new ServerIdentity(keys, checkPolicy(given, name));
  }
  checkFields(given, ["publicKey", "secretKey", "serverKey"], name);
  checkKey(given.serverKey, `${name}: serverKey`);
  return new ClientIdentity(keys, given.serverKey as string);
};

/**
 * Fails closed: an address that other machines can reach needs CURVE, or an explicit `"none"`.
 *
 * @throws BrokerlessError `BROKERLESS_SECURITY` for a tcp bind beyond loopback without the option
 * @throws TypeError for CURVE over inproc
 */
export function checkBindAllowed(security: ResolvedSecurity, address: Address): void {
  checkConnectAllowed(security, address);
  if (security !== null || address.loopback) return;
  throw new BrokerlessError(
    "BROKERLESS_SECURITY",
    `bind to ${address.text}: other machines can reach it; give CURVE keys in the option "security", ` +
      'or say security: "none"',
  );
}

/**
 * CURVE does not exist within a process: libzmq skips it for inproc, and the socket is in a context
 * of its own where no other socket would find it.
 *
 * @throws TypeError for CURVE over inproc
 */
export function checkConnectAllowed(security: ResolvedSecurity, address: Address): void {
  if (security === null || security === "none" || address.transport !== "inproc") return;
  throw new TypeError(`${address.text}: CURVE works over tcp and ipc, not over inproc`);
}

function checkKeyPair(given: Readonly<Record<string, unknown>>, name: string): KeyPair {
  const publicBytes = checkKey(given.publicKey, `${name}: publicKey`);
  const secretBytes = checkKey(given.secretKey, `${name}: secretKey`);
  const belongs = publicKeyOf(secretBytes).equals(publicBytes);
  secretBytes.fill(0);
  if (!belongs) throw new TypeError(`${name}: publicKey must be the one that belongs to secretKey`);
  return { publicKey: given.publicKey as string, secretKey: given.secretKey as string };
}

function checkKey(value: unknown, name: string): Buffer {
  const bytes = decodeKey(value);
  if (bytes === null) throw new TypeError(`${name} must be a key of 40 Z85 characters`);
  return bytes;
}

function checkPolicy(given: Readonly<Record<string, unknown>>, name: string): Policy {
  const { allow, allowTimeoutMs = ALLOW_TIMEOUT_MS } = given;
  const timeoutMs = checkTimeout(allowTimeoutMs, `${name}: allowTimeoutMs`);
  if (typeof allow === "function") return functionPolicy(allow as AllowFunction, timeoutMs);
  if (!Array.isArray(allow)) {
    throw new TypeError(`${name}: allow must be an array of public keys or a function`);
  }
  return listPolicy(allow.map((key, index) => checkKey(key, `${name}: allow[${index}]`)));
}

function checkTimeout(value: unknown, name: string): number {
  const isTimeout = Number.isInteger(value) && (value as number) >= 1;
  if (isTimeout && (value as number) <= ALLOW_TIMEOUT_MS_MAX) return value as number;
  throw new TypeError(`${name} must be a whole number from 1 to ${ALLOW_TIMEOUT_MS_MAX}`);
}

function checkFields(given: object, known: readonly string[], name: string): void {
  for (const key of Object.keys(given)) {
    if (known.includes(key)) continue;
    throw new TypeError(`${name}: unknown field ${quoted(key)}; expected ${known.join(", ")}`);
  }
}
