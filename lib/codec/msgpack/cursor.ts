/** Bytes, and the same memory as a view. */
export interface Source {
  readonly bytes: Buffer;
  readonly view: DataView;
}

/** A place in bytes that are being read. */
export interface Cursor extends Source {
  /** Start of what is read next (byte offset). */
  at: number;
  /** End of what may be read (byte offset). */
  readonly end: number;
}
