// Every store that can be measured.
import type { Peer } from '../lib/peer.ts'
import { classicLevel } from './classic-level.ts'
import { map } from './map.ts'
import { nothing } from './null.ts'
import { sett } from './sett.ts'

export const PEERS: readonly Peer[] = [sett, classicLevel, map, nothing]
