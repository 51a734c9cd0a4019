/** Whether `text` has a UTF-8 form, having no half of a surrogate pair. */
export function isWellFormed(text: string): boolean {
  // In every Node we support, and not yet among the library types of ES2023.
  return (text as string & { isWellFormed(): boolean }).isWellFormed();
}
