import { Context, type Socket } from "zeromq";
import { BrokerlessError } from "../../errors.ts";
import { ClientIdentity, type ResolvedSecurity, ServerIdentity } from "./security.ts";
import type { ZapDomain, ZapRegistration } from "./zap-domain.ts";
import { ZapHandler } from "./zap-handler.ts";
import { selfTest } from "./zap-self-test.ts";

/** The security of a native socket during its lifetime. */
export type Guard = Pick<ZapDomain, "ready" | "release">;

const NO_GUARD: Guard = Object.freeze({ ready: () => Promise.resolve(), release: () => {} });

/**
 * The ZeroMQ context of the CURVE servers of one thread, and their ZAP handler.
 *
 * It is a separate context because the handler's endpoint exists once per context: in the global
 * one it might belong to another thread, or to the application. The handler runs while a domain is
 * registered, so it does not keep the process alive. The context remains: libzmq frees one only at
 * the end of the process.
 */
export class SecuredContext {
  readonly native: Context = new Context();
  readonly #domains = new Map<string, ZapRegistration>();
  #handler: { readonly zap: ZapHandler; tested: Promise<void> | null } | null = null;
  #count = 0;

  /**
   * Registers a domain, which the handler serves from now on.
   *
   * @throws BrokerlessError `BROKERLESS_SECURITY` when the handler cannot start
   */
  register(registration: ZapRegistration): ZapDomain {
    this.#start();
    const name = `brokerless.${++this.#count}`;
    this.#domains.set(name, registration);
    return {
      name,
      ready: () => this.#ready(name),
      release: () => this.#release(name),
    };
  }

  #start(): void {
    if (this.#handler !== null) return;
    try {
      const zap = new ZapHandler(this.native, {
        decide: async (domain, key) => (await this.#domains.get(domain)?.admits(key)) === true,
        lost: (cause) => this.#lost(cause),
      });
      this.#handler = { zap, tested: null };
    } catch (cause) {
      throw securityError("the ZAP handler could not start", cause);
    }
  }

  async #ready(name: string): Promise<void> {
    const handler = this.#handler;
    if (handler !== null && this.#domains.has(name)) {
      handler.tested ??= selfTest(this);
      await handler.tested;
    }
    if (this.#handler === null || !this.#domains.has(name)) {
      throw securityError("the ZAP handler has stopped");
    }
  }

  #release(name: string): void {
    this.#domains.delete(name);
    if (this.#domains.size > 0) return;
    this.#handler?.zap.close();
    this.#handler = null;
  }

  #lost(cause: unknown): void {
    this.#handler = null;
    const orphans = [...this.#domains.values()];
    this.#domains.clear();
    for (const orphan of orphans) orphan.lost(securityError("the ZAP handler has stopped", cause));
  }
}

let shared: SecuredContext | null = null;

/** The one {@link SecuredContext} of this thread, created on first use. */
export function securedContext(): SecuredContext {
  shared ??= new SecuredContext();
  return shared;
}

/**
 * The only options with which a native socket must be constructed: an option that throws inside the
 * native constructor crashes the process at its end.
 *
 * @returns a new object at each call, because zeromq.js changes it
 */
export function nativeOptions(security: ResolvedSecurity): { context?: Context } {
  return security instanceof ServerIdentity ? { context: securedContext().native } : {};
}

/**
 * Sets the keys of a native socket that is neither bound nor connected yet.
 *
 * @param native constructed with {@link nativeOptions} of the same `security`
 * @param lost called when the socket's protection has ended: close it, and report the error
 * @returns `ready()` to await before a bind, `release()` to call when the socket closes
 * @throws BrokerlessError `BROKERLESS_SECURITY` when no handler would check the clients
 */
export function applySecurity(
  native: Socket,
  security: ResolvedSecurity,
  lost: (error: BrokerlessError) => void,
): Guard {
  if (security instanceof ClientIdentity) security.applyTo(native);
  if (!(security instanceof ServerIdentity)) return NO_GUARD;
  const domain = securedContext().register({ admits: (key) => security.admits(key), lost });
  security.applyTo(native, domain.name);
  return domain;
}

function securityError(message: string, cause?: unknown): BrokerlessError {
  return new BrokerlessError("BROKERLESS_SECURITY", message, { cause });
}
