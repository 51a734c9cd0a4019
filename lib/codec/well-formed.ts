/** Whether `text` has a UTF-8 form: it contains no half of a surrogate pair. */
export function isWellFormed(text: string): boolean {
  // Available in every supported Node version, but not yet in the library types of ES2023.
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}
