/** What a handler failed with, as far as it travels: texts only. The stack stays in the handler's own process. */
export interface HandlerError {
  /** The `name` of the error, such as `RangeError`. */
  readonly name: string;
  /** Its `message`. */
  readonly message: string;
  /** Its `code`, such as `ENOENT`, where it had one. */
  readonly code: string | null;
}

/** Of what an application's code threw, so much is in the text of an error of ours (characters). */
const TEXT_LENGTH_MAX = 1_000;

/** What was thrown by code of the application's, for the text of an error of ours whose cause it is. */
export function thrownText(thrown: unknown): string {
  return handlerError(thrown, TEXT_LENGTH_MAX).message;
}

/**
 * The texts of what was thrown. Anything can be, an object that cannot be read included. Pure but for its getters.
 *
 * @param lengthMax of each text (characters): the rest is cut off
 */
export function handlerError(thrown: unknown, lengthMax: number): HandlerError {
  const cut = (text: unknown) => String(text).slice(0, lengthMax);
  try {
    const error = thrown instanceof Error ? thrown : new Error(String(thrown));
    const { name, message, code } = error as NodeJS.ErrnoException;
    return {
      name: cut(name),
      message: cut(message),
      code: typeof code === "string" ? cut(code) : null,
    };
  } catch {
    return { name: "Error", message: "what was thrown cannot be read", code: null };
  }
}
