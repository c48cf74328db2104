// Random operations as plain data. Step `n` of a seed depends on the two alone, never on what came before, so a
// failing run can be cut at both ends and still means something.
import { type Prng, prng } from './prng.ts'
import type { Bounds } from './sorted-map.ts'

export interface WriteStep {
  readonly type: 'put' | 'del'
  readonly key: string
  readonly length: number
  /** Of a put: it outlasts the run, or has expired when the step ends. */
  readonly ttl?: 'lasting' | 'brief'
}

export type Form = 'buffer' | 'view'

export type Step =
  | { readonly kind: 'write'; readonly write: WriteStep }
  | { readonly kind: 'batch'; readonly writes: readonly WriteStep[]; readonly chained: boolean }
  | { readonly kind: 'burst'; readonly writes: readonly WriteStep[] }
  | { readonly kind: 'clear'; readonly bounds: Bounds; readonly slot: number }
  | { readonly kind: 'get'; readonly key: string; readonly form: Form; readonly sync: boolean }
  | { readonly kind: 'has'; readonly key: string }
  | { readonly kind: 'entry'; readonly key: string }
  | { readonly kind: 'getMany'; readonly keys: readonly string[] }
  | {
      readonly kind: 'scan'
      readonly bounds: Bounds
      readonly mode: ScanMode
      readonly slot: number
    }
  | {
      readonly kind: 'seek'
      readonly bounds: Bounds
      readonly target: string
      readonly after: number
    }
  | { readonly kind: 'snapshot'; readonly slot: number }
  | { readonly kind: 'snapshotGet'; readonly slot: number; readonly keys: readonly string[] }
  | { readonly kind: 'iterator'; readonly slot: number; readonly bounds: Bounds }
  | { readonly kind: 'advance'; readonly slot: number; readonly count: number }
  | { readonly kind: 'flush' | 'compact' | 'settle' | 'reopen' }

export type ScanMode = 'entries' | 'keys' | 'values' | 'nextv' | 'all'

export const SNAPSHOT_SLOTS = 3
export const ITERATOR_SLOTS = 4
const SCAN_MODES: readonly ScanMode[] = ['entries', 'keys', 'values', 'nextv', 'all']

/** Share of each kind in 100,000 steps. */
const WEIGHTS: readonly (readonly [Step['kind'], number])[] = [
  ['write', 46_000],
  ['batch', 5_000],
  ['burst', 1_500],
  ['clear', 250],
  ['get', 27_000],
  ['has', 4_000],
  ['entry', 3_000],
  ['getMany', 2_000],
  ['scan', 2_500],
  ['seek', 1_200],
  ['snapshot', 250],
  ['snapshotGet', 2_500],
  ['iterator', 400],
  ['advance', 4_200],
  ['flush', 120],
  ['compact', 30],
  ['settle', 35],
  ['reopen', 15],
]
const WEIGHT_SUM = WEIGHTS.reduce((sum, [, weight]) => sum + weight, 0)

export function stepOf(seed: number, index: number): Step {
  const random = prng(seed, index)
  let draw = random.below(WEIGHT_SUM)
  const [kind] = WEIGHTS.find(([, weight]) => {
    draw -= weight
    return draw < 0
  })!
  switch (kind) {
    case 'write':
      return { kind, write: writeOf(random) }
    case 'batch':
      return { kind, writes: writesOf(random, 40), chained: random.chance(0.2) }
    case 'burst':
      return { kind, writes: writesOf(random, 64) }
    case 'clear':
      return { kind, bounds: boundsOf(random, 60), slot: random.chance(0.1) ? slotOf(random) : -1 }
    case 'get':
      return { kind, key: keyOf(random), form: formOf(random), sync: random.chance(0.4) }
    case 'has':
    case 'entry':
      return { kind, key: keyOf(random) }
    case 'getMany':
      return { kind, keys: keysOf(random, 30) }
    default:
      return rarerStep(kind, random)
  }
}

function rarerStep(kind: Step['kind'], random: Prng): Step {
  switch (kind) {
    case 'scan': {
      const mode = SCAN_MODES[random.below(SCAN_MODES.length)]!
      const slot = random.chance(0.3) ? slotOf(random) : -1
      return { kind, bounds: boundsOf(random, 300), mode, slot }
    }
    case 'seek':
      return {
        kind,
        bounds: boundsOf(random, 50),
        target: keyOf(random),
        after: random.below(5),
      }
    case 'snapshot':
      return { kind, slot: slotOf(random) }
    case 'snapshotGet':
      return { kind, slot: slotOf(random), keys: keysOf(random, 8) }
    case 'iterator':
      return { kind, slot: random.below(ITERATOR_SLOTS), bounds: boundsOf(random, 5_000) }
    case 'advance':
      return { kind, slot: random.below(ITERATOR_SLOTS), count: 1 + random.below(40) }
    case 'flush':
    case 'compact':
    case 'settle':
    case 'reopen':
      return { kind }
    default:
      throw new Error(`no such step: ${kind}`)
  }
}

function slotOf(random: Prng): number {
  return random.below(SNAPSHOT_SLOTS)
}

function formOf(random: Prng): Form {
  return random.chance(0.8) ? 'buffer' : 'view'
}

function keysOf(random: Prng, most: number): string[] {
  return Array.from({ length: 1 + random.below(most) }, () => keyOf(random))
}

function writesOf(random: Prng, most: number): WriteStep[] {
  return Array.from({ length: 1 + random.below(most) }, () => writeOf(random))
}

function writeOf(random: Prng): WriteStep {
  const key = keyOf(random)
  if (random.chance(0.27)) return { type: 'del', key, length: 0 }
  const put = { type: 'put', key, length: lengthOf(random) } as const
  const draw = random.below(1_000)
  if (draw < 3) return { ...put, ttl: 'brief' }
  return draw < 150 ? { ...put, ttl: 'lasting' } : put
}

function lengthOf(random: Prng): number {
  const draw = random.below(10_000)
  if (draw < 500) return 0
  if (draw < 7_500) return random.below(100)
  if (draw < 9_800) return random.below(1_000)
  if (draw < 9_985) return random.below(8_000)
  return random.below(200 * 1024 + 1)
}

/** Small spaces, so that keys meet again; 1 byte to 65,535 bytes. */
function keyOf(random: Prng): string {
  const draw = random.below(1_000)
  if (draw < 60) return String.fromCharCode(random.below(256))
  if (draw < 350) return `shared/prefix/of/many/keys/${random.below(700)}`
  if (draw < 700) return fixedText(random.below(600), 16)
  if (draw < 900) return `p${String(random.below(500)).padStart(6, '0')}`
  if (draw < 985) return `${fixedText(random.below(3), 30)}${'z'.repeat(random.below(40))}`
  if (draw < 998) return fixedText(random.below(12), 300 + random.below(3) * 1_000)
  return `${'L'.repeat(65_534)}${String.fromCharCode(random.below(3))}`
}

function fixedText(ordinal: number, length: number): string {
  const random = prng(77, ordinal)
  let text = ''
  while (text.length < length) text += String.fromCharCode(random.below(256))
  return text
}

function boundsOf(random: Prng, most: number): Bounds {
  const bounds: { -readonly [name in keyof Bounds]: Bounds[name] } = {}
  const low = random.below(3)
  if (low === 1) bounds.gte = keyOf(random)
  if (low === 2) bounds.gt = keyOf(random)
  const high = random.below(3)
  if (high === 1) bounds.lte = keyOf(random)
  if (high === 2) bounds.lt = keyOf(random)
  if (random.chance(0.4)) bounds.reverse = true
  if (random.chance(0.9)) bounds.limit = random.below(most)
  return bounds
}
