// What lies in a key range, as writes of one time after the other: from how often the keys were written since follows
// how much of each is still seen. Pure. Numbers are per key of the range, so a part of it has the same.
import type { Traffic } from './workload.ts'

/** Beside the keys, or nowhere. */
export const NO_SEGMENT = 0

/** Writes of one time, with values in one place. */
export interface Stratum {
  /** The time; later ones have greater numbers. */
  readonly epoch: number
  /** Where the values lie; NO_SEGMENT: beside their keys, or there are none. */
  readonly segment: number
  /** Keys the first write of which is here. */
  readonly loaded: number
  /** Later writes. */
  readonly drawn: number
}

/** Newest first. */
export type Strata = readonly Stratum[]

/** Of neighbours with values in one place, one is made. */
function push(strata: Stratum[], next: Stratum): void {
  const last = strata.at(-1)
  if (last?.segment === next.segment) strata[strata.length - 1] = sum(last, next)
  else strata.push(next)
}

function sum(a: Stratum, b: Stratum): Stratum {
  const { epoch, segment } = a
  return { epoch, segment, loaded: a.loaded + b.loaded, drawn: a.drawn + b.drawn }
}

/** Layers of one range over each other, the newest first. */
export function overlaid(layers: readonly Strata[]): Strata {
  if (layers.length === 1) return layers[0]!
  const strata: Stratum[] = []
  for (const layer of layers) for (const stratum of layer) push(strata, stratum)
  return strata
}

/** Share of the keys: finer times tell nothing more, for within one it is kept how much of each segment is seen. */
const GATHERED = 1 / 8

/**
 * The same, but times are told apart no more than matters: what was written while an eighth of the keys was, has one
 * stratum for each segment, of as many keys as its parts had.
 */
export function gathered(strata: Strata, traffic: Traffic): Strata {
  const result: Stratum[] = []
  let bySegment = new Map<number, { epoch: number; loaded: number; share: number }>()
  let above = 0
  let before = 0
  let placed = 0
  const place = (): void => {
    let end = placed
    let share = traffic.drawnShare(placed)
    for (const [segment, { epoch, loaded, share: own }] of bySegment) {
      const from = end
      share += own
      if (own > 0) end = Math.min(above, Math.max(from, traffic.drawsOf(share)))
      push(result, { epoch, segment, loaded, drawn: end - from })
    }
    bySegment = new Map()
    placed = end
  }
  for (const { epoch, segment, loaded, drawn } of strata) {
    above += drawn
    const share = drawn === 0 ? before : traffic.drawnShare(above)
    const known = bySegment.get(segment)
    if (known === undefined) bySegment.set(segment, { epoch, loaded, share: share - before })
    else {
      known.loaded += loaded
      known.share += share - before
    }
    if (Math.floor(share / GATHERED) > Math.floor(before / GATHERED)) place()
    before = share
  }
  place()
  return result
}

/** Values of some segments, in another one. */
export function relocated(strata: Strata, from: ReadonlySet<number>, to: number): Strata {
  const moved: Stratum[] = []
  for (const each of strata) push(moved, from.has(each.segment) ? { ...each, segment: to } : each)
  return moved
}

/** Two ranges beside each other, with shares of both. */
export function mixed(a: Strata, shareOfA: number, b: Strata, shareOfB: number): Strata {
  const strata: Stratum[] = []
  let i = 0
  let j = 0
  while (i < a.length || j < b.length) {
    const order = inOrder(a[i], b[j])
    if (order <= 0) push(strata, part(a[i++]!, shareOfA))
    if (order >= 0) push(strata, part(b[j++]!, shareOfB))
  }
  return strata
}

/** Below 0: the first one comes first; 0: they are one. */
function inOrder(a: Stratum | undefined, b: Stratum | undefined): number {
  if (a === undefined || b === undefined) return a === undefined ? 1 : -1
  return b.epoch - a.epoch || b.segment - a.segment
}

function part(stratum: Stratum, share: number): Stratum {
  const { epoch, segment, loaded, drawn } = stratum
  return { epoch, segment, loaded: loaded * share, drawn: drawn * share }
}

export function sumOf(strata: Strata): { readonly loaded: number; readonly drawn: number } {
  let loaded = 0
  let drawn = 0
  for (const each of strata) {
    loaded += each.loaded
    drawn += each.drawn
  }
  return { loaded, drawn }
}

/** Of each stratum, the puts per key that nothing newer hides. */
export function putsOf(strata: Strata, traffic: Traffic): number[] {
  const kept = 1 - traffic.deletedShare
  // What is drawn is all newer than what is loaded.
  const undrawn = 1 - traffic.drawnShare(sumOf(strata).drawn)
  let above = 0
  let seen = 0
  return strata.map(({ loaded, drawn }) => {
    above += drawn
    const share = drawn === 0 ? seen : traffic.drawnShare(above)
    const puts = (share - seen) * kept + loaded * undrawn
    seen = share
    return puts
  })
}
