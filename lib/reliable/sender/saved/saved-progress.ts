/** How far what is settled is saved. Its `SenderStateStore` alone writes it; others read it. */
export class SavedProgress {
  /** Every seq up to this one is known, across restarts, to be settled. */
  floor: number;
  /** Whether the last save failed: who waits for one may wait for long. */
  isFailing = false;

  constructor(floor: number) {
    this.floor = floor;
  }
}
