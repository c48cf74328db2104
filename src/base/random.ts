// The only place that reads entropy.
import { randomFillSync } from 'node:crypto'

export interface Random {
  /** Fills `target` with unpredictable bytes. */
  fill(target: Uint8Array): void
}

export const systemRandom: Random = {
  fill: (target) => void randomFillSync(target),
}
