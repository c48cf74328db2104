// When an idle database compacts level 0. Pure.
import { storedBytes } from '../format/table-meta.ts'
import type { Levels } from '../manifest/levels.ts'

/**
 * Level-0 tables at which an idle database compacts: two, if a byte of them costs no more than a byte that moves down
 * a level does anyway, `levelSizeMultiplier` bytes of the level below.
 */
export function idleTrigger(
  levels: Levels,
  options: { readonly l0CompactTrigger: number; readonly levelSizeMultiplier: number },
): number {
  const [above = 0, ...deeper] = levels.map((tables) => storedBytes(tables))
  const below = deeper.find((bytes) => bytes > 0) ?? 0
  const { l0CompactTrigger, levelSizeMultiplier } = options
  return above * levelSizeMultiplier >= below ? Math.min(2, l0CompactTrigger) : l0CompactTrigger
}
