// Levels as text, plans as text, and a model of what installing a plan does to the levels. L3: 12 a..f 30 t5 v7-9
// is table 12 of level 3: keys a to f, 30 bytes, 10 entries, 5 of them tombstones, versions 7 to 9. Without
// versions they follow from the number. A word s5:40,6:70 says that it points to 40 bytes in segment 5 of the value
// log, and to 70 in segment 6; a last word e50:2:8:30,90:1:4:0 that two entries of 8 bytes, which point to 30, expire
// by time 50, another one of 4 by time 90, and the others never. S5 100 is a segment of 100 bytes.
import { compareBytes } from '../../../src/base/bytes.ts'
import { LEVEL_COUNT } from '../../../src/base/limits.ts'
import type { CompactionPlan } from '../../../src/compaction/plan.ts'
import type { SegmentMeta, SegmentUse } from '../../../src/format/segments/segment-meta.ts'
import type { ExpiryStep } from '../../../src/format/table-meta.ts'
import type { Levels, TableMeta } from '../../../src/manifest/levels.ts'

export const ENTRIES = 10

export function makeTable(
  number: number,
  from: string,
  to: string,
  size: number,
  tombstones = 0,
): TableMeta {
  return {
    number,
    size,
    salt: '0'.repeat(16),
    entries: Math.max(ENTRIES, tombstones),
    tombstones,
    earliestExpiry: 0,
    latestExpiry: 0,
    smallestVersion: number * 10,
    largestVersion: number * 10 + 9,
    baseVersion: number * 10,
    largestBlock: 4096,
    newestWal: 0,
    smallestKey: Buffer.from(from),
    largestKey: Buffer.from(to),
  }
}

export function parseLevels(lines: readonly string[]): Levels {
  const levels: TableMeta[][] = Array.from({ length: LEVEL_COUNT }, () => [])
  for (const line of lines) {
    const match =
      /^L(\d): (\d+) (\w+)\.\.(\w+) (\d+)(?: t(\d+))?(?: v(\d+)-(\d+))?(?: s([\d:,]+))?(?: e([\d:,]+))?$/.exec(
        line,
      )
    if (match === null) throw new Error(`not a table: ${line}`)
    const [, level, number, from, to, size, tombstones, oldest, newest, uses, steps] = match
    const table = makeTable(Number(number), from!, to!, Number(size), Number(tombstones ?? 0))
    const { smallestVersion, largestVersion } = table
    levels[Number(level)]!.push({
      ...table,
      smallestVersion: Number(oldest ?? smallestVersion),
      largestVersion: Number(newest ?? largestVersion),
      ...(uses !== undefined && { segments: parseUses(uses) }),
      ...(steps !== undefined && expiringBy(parseSteps(steps))),
    })
  }
  return sorted(levels)
}

function parseUses(text: string): SegmentUse[] {
  return text.split(',').map((use) => {
    const [number, bytes] = use.split(':').map(Number)
    return { number: number!, bytes: bytes! }
  })
}

function parseSteps(text: string): ExpiryStep[] {
  return text.split(',').map((step) => {
    const [until, entries, bytes, referred] = step.split(':').map(Number)
    return { until: until!, entries: entries!, bytes: bytes!, referred: referred! }
  })
}

function expiringBy(expiring: readonly ExpiryStep[]): Partial<TableMeta> {
  return expiring.length === 0
    ? { earliestExpiry: 0, expiring: [] }
    : { earliestExpiry: expiring[0]!.until, expiring }
}

export function parseSegments(lines: readonly string[]): SegmentMeta[] {
  return lines.map((line) => {
    const match = /^S(\d+) (\d+)$/.exec(line)
    if (match === null) throw new Error(`not a segment: ${line}`)
    return { number: Number(match[1]), size: Number(match[2]), salt: '0'.repeat(16) }
  })
}

function sorted(levels: TableMeta[][]): Levels {
  levels[0]!.sort((a, b) => b.largestVersion - a.largestVersion || b.number - a.number)
  for (const tables of levels.slice(1)) {
    tables.sort((a, b) => compareBytes(a.smallestKey, b.smallestKey))
  }
  return levels
}

export function describePlan(plan: CompactionPlan | undefined): string {
  if (plan === undefined) return 'nothing'
  const sources = plan.sources.map((tables) => tables.map(({ number }) => number).join(' '))
  if (plan.expired === true) return `drop L${plan.inputLevel}: ${sources.join(' ')}`
  const what = plan.trivialMove ? 'move' : plan.collects === true ? 'rewrite' : 'merge'
  const drop = plan.dropTombstones ? ', tombstones go' : ''
  const { relocate = [] } = plan
  const freed = relocate.map(({ number }) => number).join(' ')
  const copies = freed === '' ? '' : `, out of ${freed}`
  return `${what} L${plan.inputLevel} -> L${plan.outputLevel}: ${sources.join(' | ')}${drop}${copies}`
}

/**
 * The levels after the plan: outputs hold the bytes of the inputs, tombstones gone where the plan
 * says so. Outputs are cut so that each covers what a part of the inputs covered; a merge inside
 * level 0 has one.
 */
export function install(levels: Levels, plan: CompactionPlan, next: () => number): Levels {
  const inputs = new Set(plan.inputs.map(({ number }) => number))
  const result = levels.map((tables) => tables.filter(({ number }) => !inputs.has(number)))
  const tables = plan.sources.flat()
  const outputs = plan.trivialMove ? tables : relocated(merged(tables, plan, next), plan, next)
  result[plan.outputLevel] = [...result[plan.outputLevel]!, ...outputs]
  return sorted(result)
}

/** The table without what has expired, as a merge at that time reads it; its values lie in its first segment. */
export function lapsed(table: TableMeta, now: number): TableMeta {
  const { expiring = [], segments: [first, ...others] = [] } = table
  const gone = expiring.filter(({ until }) => until <= now)
  const sum = (field: 'entries' | 'bytes' | 'referred'): number =>
    gone.reduce((all, step) => all + step[field], 0)
  const used = { ...first!, bytes: (first?.bytes ?? 0) - sum('referred') }
  return {
    ...table,
    ...expiringBy(expiring.filter(({ until }) => until > now)),
    size: table.size - sum('bytes'),
    entries: table.entries - sum('entries'),
    ...(first !== undefined && { segments: used.bytes === 0 ? others : [used, ...others] }),
  }
}

/** What they point to in segments that are to become free lies in a new one. */
function relocated(tables: TableMeta[], plan: CompactionPlan, next: () => number): TableMeta[] {
  const freed = new Set(plan.relocate?.map(({ number }) => number))
  return tables.map((table) => {
    const { segments = [] } = table
    const bytes = segments
      .filter(({ number }) => freed.has(number))
      .reduce((sum, use) => sum + use.bytes, 0)
    if (bytes === 0) return table
    const kept = segments.filter(({ number }) => !freed.has(number))
    return { ...table, segments: [...kept, { number: next(), bytes }] }
  })
}

function usesOf(a: TableMeta, b: TableMeta): { segments?: SegmentUse[] } {
  const bytes = new Map<number, number>()
  for (const use of [...(a.segments ?? []), ...(b.segments ?? [])]) {
    bytes.set(use.number, (bytes.get(use.number) ?? 0) + use.bytes)
  }
  if (bytes.size === 0) return {}
  return { segments: [...bytes].map(([number, sum]) => ({ number, bytes: sum })) }
}

/** Inputs that overlap are melted into one output. */
function merged(
  tables: readonly TableMeta[],
  plan: CompactionPlan,
  next: () => number,
): TableMeta[] {
  const byKey = [...tables].sort((a, b) => compareBytes(a.smallestKey, b.smallestKey))
  const outputs: TableMeta[] = []
  for (const table of byKey) {
    const last = outputs.at(-1)
    const kept = plan.dropTombstones ? 0 : table.tombstones
    const size = plan.dropTombstones && table.tombstones >= table.entries ? 0 : table.size
    const together = last !== undefined && compareBytes(last.largestKey, table.smallestKey) >= 0
    if (last !== undefined && (together || plan.outputLevel === 0)) {
      outputs[outputs.length - 1] = {
        ...last,
        size: last.size + size,
        ...usesOf(last, table),
        tombstones: last.tombstones + kept,
        entries: last.entries + table.entries,
        smallestVersion: Math.min(last.smallestVersion, table.smallestVersion),
        largestVersion: Math.max(last.largestVersion, table.largestVersion),
        largestKey:
          compareBytes(table.largestKey, last.largestKey) > 0 ? table.largestKey : last.largestKey,
      }
    } else if (size > 0) outputs.push({ ...table, size, tombstones: kept, number: next() })
  }
  return outputs
}
