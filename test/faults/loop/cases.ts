// Every fault there is for an operation: each call it makes × what that call may answer × once or for ever × what a
// failed sync leaves × how the session ends. Each has a label, so that it can be asked for again.
import type { Prng } from '../../model/prng.ts'
import type { Call, CallKind, Fault } from '../fault-rules.ts'

/** How the life in which the fault struck ends. */
export type Ending = 'close' | 'kill' | 'power'

export interface Strike {
  readonly kind: CallKind
  /** 'short': no error; a read ends early. */
  readonly errno: string
  /** Which call of that kind, from 1 on. */
  readonly nth: number
  readonly forever: boolean
  readonly failedSync: 'clean' | 'revert'
  /** What a failing write, or a short read, gets done. */
  readonly bytes: number
}

export interface FaultCase {
  readonly operation: string
  readonly first: Strike
  /** Strikes while the first is dealt with: its nth counts from there. */
  readonly second?: Strike
  readonly ending: Ending
}

const ERRNOS: { readonly [Kind in CallKind]?: readonly string[] } = {
  open: ['EIO', 'EMFILE', 'EACCES', 'ENOENT'],
  create: ['ENOSPC', 'EIO', 'EMFILE', 'EACCES', 'EROFS', 'ENOENT'],
  read: ['EIO', 'short'],
  write: ['ENOSPC', 'EIO', 'EROFS'],
  truncate: ['EIO', 'ENOSPC'],
  size: ['EIO'],
  sync: ['EIO', 'ENOSPC'],
  close: ['EIO'],
  list: ['EIO', 'EMFILE', 'EACCES', 'ENOENT'],
  stat: ['EIO', 'EACCES'],
  makeDirectory: ['ENOSPC', 'EACCES', 'EROFS'],
  rename: ['EIO', 'ENOSPC', 'EACCES', 'EROFS'],
  remove: ['EIO', 'EACCES', 'EROFS', 'EBUSY'],
  syncDirectory: ['EIO', 'EMFILE', 'ENOENT'],
  space: ['EIO', 'ENOENT'],
}

/** What is called only once something has failed. */
const UNDOING: readonly CallKind[] = ['truncate', 'remove', 'close', 'stat']
const KINDS = Object.keys(ERRNOS) as CallKind[]
const ENDINGS: readonly Ending[] = ['close', 'kill', 'power']
/** Less than the shortest frame, block or edit: what fails is never there whole. */
const PARTS: readonly number[] = [0, 7, 40]

/** All faults of one operation, told the calls it makes when nothing fails. */
export function casesOf(operation: string, calls: readonly Call[]): FaultCase[] {
  const cases: FaultCase[] = []
  for (const kind of KINDS) {
    const count = calls.filter((call) => call.kind === kind).length
    for (let nth = 1; nth <= count; nth++) {
      for (const strike of strikesOf(kind, nth)) {
        const ending = ENDINGS[cases.length % ENDINGS.length]!
        cases.push({ operation, first: strike, ending })
      }
    }
  }
  return cases
}

function strikesOf(kind: CallKind, nth: number): Strike[] {
  const modes = kind === 'sync' ? (['clean', 'revert'] as const) : (['clean'] as const)
  return ERRNOS[kind]!.flatMap((errno) =>
    [false, true].flatMap((forever) =>
      modes.map((failedSync, i) => {
        const bytes = PARTS[(nth + i + (forever ? 1 : 0)) % PARTS.length]!
        return { kind, errno, nth, forever, failedSync, bytes }
      }),
    ),
  )
}

/** So many cases, seeded: operations in turn, kinds of calls evenly, the rest by chance; one in `compound` with a
 * second fault. */
export function sample(
  all: ReadonlyMap<string, readonly FaultCase[]>,
  random: Prng,
  { count, compound }: { readonly count: number; readonly compound: number },
): FaultCase[] {
  const operations = [...all.keys()]
  return Array.from({ length: count }, (_, i) => {
    const cases = all.get(operations[i % operations.length]!)!
    const kinds = [...new Set(cases.map(({ first }) => first.kind))]
    const kind = pick(kinds, random)
    const chosen = pick(
      cases.filter(({ first }) => first.kind === kind),
      random,
    )
    if (i % compound !== 0) return chosen
    // Of the calls that follow, few are left: the first or second of a kind the operation makes, or one that undoes.
    const others = [...kinds, ...UNDOING]
    const second = pick(strikesOf(pick(others, random), 1 + random.below(2)), random)
    return { ...chosen, second }
  })
}

function pick<T>(list: readonly T[], random: Prng): T {
  return list[random.below(list.length)]!
}

export function faultOf({ kind, errno, nth, forever, failedSync, bytes }: Strike): Fault {
  const rule = { on: kind, nth, forever, failedSync, shortBytes: bytes }
  return errno === 'short' ? rule : { ...rule, errno }
}

/** For `--replay`. */
export function labelOf({ operation, first, second, ending }: FaultCase): string {
  const strikes = second === undefined ? [first] : [first, second]
  return [operation, ...strikes.map(strikeLabel), ending].join(' ')
}

function strikeLabel(strike: Strike): string {
  const { kind, errno, nth, forever, failedSync, bytes } = strike
  return [kind, errno, nth, forever ? 'forever' : 'once', failedSync, bytes].join(':')
}

export function parseLabel(label: string): FaultCase {
  const parts = label.split(' ')
  const [first, second] = parts.slice(1, -1).map(parseStrike)
  const ending = ENDINGS.find((other) => other === parts.at(-1))
  if (first === undefined || ending === undefined) throw new Error(`there is no fault '${label}'`)
  const fault = { operation: parts[0]!, first, ending }
  return second === undefined ? fault : { ...fault, second }
}

function parseStrike(text: string): Strike {
  const [kind, errno, nth, often, failedSync, bytes] = text.split(':')
  return {
    kind: kind as CallKind,
    errno: errno!,
    nth: Number(nth),
    forever: often === 'forever',
    failedSync: failedSync === 'revert' ? 'revert' : 'clean',
    bytes: Number(bytes),
  }
}
