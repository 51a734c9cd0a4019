/** Progress of saving the settled messages. Written only by its `SenderStateStore`. */
export class SavedProgress {
  /** Every seq up to this one is settled, and that survives restarts. */
  floor: number;
  /** Whether the last save failed: a wait for the next save may be long. */
  isFailing = false;

  constructor(floor: number) {
    this.floor = floor;
  }
}
