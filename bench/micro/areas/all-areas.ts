// All areas, in the order in which they are shown.
import type { Area } from '../case.ts'
import { blockArea } from './block.ts'
import { boundaryArea } from './boundary.ts'
import { builderArea } from './builder.ts'
import { cacheArea } from './cache.ts'
import { codecArea } from './codecs.ts'
import { engineArea } from './engine.ts'
import { fenceArea } from './fence.ts'
import { filterArea } from './filter.ts'
import { hashArea } from './hash.ts'
import { lz4Area } from './lz4.ts'
import { memtableArea } from './memtable.ts'
import { mergeArea } from './merge.ts'
import { ringArea } from './ring.ts'

export const AREAS: readonly Area[] = [
  hashArea,
  filterArea,
  fenceArea,
  blockArea,
  builderArea,
  memtableArea,
  mergeArea,
  lz4Area,
  codecArea,
  boundaryArea,
  ringArea,
  cacheArea,
  engineArea,
]
