// The states a cut may leave. Each has a label that says which one it is, so that it can be asked for again.
import type { Disk, NameRule, Pending, Survival } from '../faults/disk.ts'
import { SECTOR, type Survived } from '../faults/file-content.ts'
import { prng } from '../model/prng.ts'

/** 'killed': the process is gone, the cache is not. */
export interface CrashState {
  readonly label: string
  readonly survival: Survival | 'killed'
}

const PAGE = 4_096
const RANDOM_STATES = 16
const EDGES_MOST = 24
/** Zeros are alike wherever they break off. */
const EDGES_OF_FILL = 6
/** A list this long is thinned out: single changes of it are alike. */
const SINGLES_MOST = 48
const RULES: readonly NameRule[] = ['strict', 'ext4']

/** All states of a cut here. */
export function crashStates(disk: Disk, seed: number): CrashState[] {
  const strict = disk.pending('strict')
  const states: CrashState[] = []
  if (strict.length > 0) states.push({ label: 'killed', survival: 'killed' })
  for (const rule of RULES) {
    const pending = rule === 'strict' ? strict : disk.pending(rule)
    if (rule === 'ext4' && pending.length === strict.length) continue
    for (const [name, survives] of choices(pending, seed)) {
      states.push({ label: `${rule}.${name}`, survival: { rule, survives } })
    }
  }
  return states
}

type Choice = readonly [name: string, survives: Survival['survives']]

function choices(pending: readonly Pending[], seed: number): Choice[] {
  const states: Choice[] = [['synced', () => 'none']]
  if (pending.length === 0) return states
  states.push(['all', () => 'all'])
  for (const { index } of thinned(pending, SINGLES_MOST)) {
    states.push([`drop-${index}`, (change) => when(change.index !== index)])
    states.push([`alone-${index}`, (change) => when(change.index === index)])
  }
  states.push(...torn(pending))
  const data = ({ kind }: Pending): boolean => kind === 'write' || kind === 'truncate'
  states.push(['names', (change) => when(!data(change))])
  states.push(['data', (change) => when(data(change))])
  states.push(['removals', (change) => when(change.kind === 'remove')])
  states.push(['removals-data', (change) => when(change.kind === 'remove' || data(change))])
  states.push(['renames', (change) => when(change.kind === 'rename')])
  for (let i = 0; i < RANDOM_STATES; i++) {
    states.push([`random-${i}`, (change) => drawn(change, prng(seed + i, change.index + 1).u32())])
  }
  return states
}

/** The last write of each file breaks off at a sector or page, or lacks its first ones, with all else there; and so
 * does the one that made the file longest, if that is another: a log's zeros, in which its last frame lies. */
function torn(pending: readonly Pending[]): Choice[] {
  const last = new Map<number, Pending>()
  const longest = new Map<number, Pending>()
  for (const change of pending) {
    const { kind, file, end } = change
    if (kind !== 'write') continue
    last.set(file, change)
    if (end > (longest.get(file)?.end ?? 0)) longest.set(file, change)
  }
  const fills = [...longest.values()].filter((write) => last.get(write.file) !== write)
  return [
    ...[...last.values()].flatMap((write) => tornEverywhere(write, EDGES_MOST)),
    ...fills.flatMap((write) => tornEverywhere(write, EDGES_OF_FILL)),
  ]
}

function tornEverywhere(write: Pending, most: number): Choice[] {
  const edges = thinned(edgesOf(write), most)
  const some = thinned(edges, 4)
  return [
    ...edges.map((upTo) => tornAt(write, upTo, 'missing')),
    ...some.map((upTo) => tornAt(write, upTo, 'zeros')),
    ...some.map((upTo) => tornAt(write, upTo, 'garbage')),
    ...edges.filter((from) => from > write.at).map((from) => begunAt(write, from)),
  ]
}

function begunAt({ index, at }: Pending, from: number): Choice {
  return [`late-${index}-${from - at}`, (change) => (change.index === index ? { from } : 'all')]
}

function tornAt(
  { index, at }: Pending,
  upTo: number,
  rest: 'missing' | 'zeros' | 'garbage',
): Choice {
  const name = `${rest}-${index}-${upTo - at}`
  return [name, (change) => (change.index === index ? { upTo, rest } : 'all')]
}

/** Page edges first, so that they stay when the list is thinned. */
function edgesOf({ at, end }: Pending): number[] {
  const sectors: number[] = []
  const pages: number[] = []
  for (let edge = at; edge < end; edge += SECTOR) (edge % PAGE === 0 ? pages : sectors).push(edge)
  return [...pages, ...sectors]
}

function drawn({ kind, at, end }: Pending, luck: number): Survived {
  const share = luck / 2 ** 32
  if (share < 0.45) return 'all'
  if (share < 0.8 || kind !== 'write') return 'none'
  const sectors = Math.ceil((end - at) / SECTOR)
  const upTo = at + (luck % sectors) * SECTOR
  if (share > 0.95) return { from: upTo }
  return { upTo, rest: (['missing', 'zeros', 'garbage'] as const)[luck % 3]! }
}

function when(survives: boolean): Survived {
  return survives ? 'all' : 'none'
}

/** At most so many, spread evenly, the first and the last among them. */
function thinned<T>(list: readonly T[], most: number): readonly T[] {
  if (list.length <= most) return list
  const step = (list.length - 1) / (most - 1)
  return Array.from({ length: most }, (_, i) => list[Math.round(i * step)]!)
}
