/**
 * The error that a handler failed with, as it is sent to other processes: texts only. The stack stays in the handler's
 * own process.
 */
export interface HandlerError {
  /** The `name` of the error, such as `RangeError`. */
  readonly name: string;
  /** The `message` of the error. */
  readonly message: string;
  /** The `code` of the error, such as `ENOENT`; `null` where it had none. */
  readonly code: string | null;
}

/** Longest quote of an error of the application in the text of an error of the package (characters). */
const TEXT_LENGTH_MAX = 1_000;

/** The message of a value thrown by application code, for the text of the package's error whose cause it is. */
export function thrownText(thrown: unknown): string {
  return handlerError(thrown, TEXT_LENGTH_MAX).message;
}

/**
 * The texts of a thrown value, which can be anything, even an object that cannot be read. Pure, except that it calls
 * getters of the value.
 *
 * @param lengthMax longest length of each text (characters); longer ones are cut off
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
