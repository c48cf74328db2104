// Cases and their expected plans are text, in test/golden/compaction. UPDATE_GOLDEN=1 writes what
// the plans are now. Commands of a case, in order:
//   > busy 0 5 21 22      a compaction from level 0 to 5 of these tables runs
//   > reader 30           a reader needs version 30
//   > pick, > settle      the next plan; all plans until nothing is due, each installed
//   > parallel            all plans that may run beside each other
//   > range a f, > flatten   all steps of compactRange(), of flatten()
//   > targets, > scores   base level and sizes; score and adjusted score of each level
//   > maxLevels 3         there are so many levels
//   > sizes 9000 2000     of the base level, of a table
//   > held 5              somebody holds segment 5
//   > rest                nothing is being written
//   > now 50              all readers began then
//   > doomed              segments that are to become free, best first
//   > collect 0.1         all steps of collectGarbage()
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { expiredBytes } from '../../../src/compaction/expiry.ts'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { checkVersionOrder } from '../../../src/compaction/invariant.ts'
import { levelTargets } from '../../../src/compaction/level-targets.ts'
import {
  type PickOptions,
  pickCompaction,
  type ValuesMoment,
} from '../../../src/compaction/pick.ts'
import { buildPlan, type CompactionPlan } from '../../../src/compaction/plan.ts'
import { planRange, type RangeRequest } from '../../../src/compaction/plan-range.ts'
import { levelScores } from '../../../src/compaction/score.ts'
import {
  chooseDoomed,
  Doomed,
  garbageOf,
  garbageShare,
  type SegmentFill,
  type Space,
} from '../../../src/compaction/values/doom.ts'
import { planValues } from '../../../src/compaction/values/pick-values.ts'
import type { SegmentMeta } from '../../../src/format/segments/segment-meta.ts'
import { storedBytes } from '../../../src/format/table-meta.ts'
import type { Levels } from '../../../src/manifest/levels.ts'
import type { Readers } from '../../../src/mvcc/pins.ts'
import { describePlan, install, lapsed, parseLevels, parseSegments } from './levels-text.ts'

const FOLDER = join(import.meta.dirname, '../../golden/compaction')
const DEFAULTS: PickOptions = {
  l0CompactTrigger: 4,
  l0StallTrigger: 12,
  baseLevelSize: 100,
  levelSizeMultiplier: 10,
  tableSize: 20,
}
const STEPS_MAX = 100
/** Header and footer of a segment. */
const OVERHEAD = 192

interface GoldenCase {
  readonly title: string
  readonly commands: readonly string[]
  readonly levels: readonly string[]
  readonly segments: readonly string[]
}

function parse(text: string): GoldenCase[] {
  return text
    .trim()
    .split(/\n{2,}/)
    .map((block) => {
      const lines = block.split('\n')
      return {
        title: lines.find((line) => line.startsWith('# ')) ?? '',
        commands: lines.filter((line) => line.startsWith('> ')),
        levels: lines.filter((line) => /^L\d: /.test(line)),
        segments: lines.filter((line) => /^S\d+ /.test(line)),
      }
    })
}

function run({ levels, segments, commands }: GoldenCase): string[] {
  const out: string[] = []
  const bench = new Bench(parseLevels(levels), parseSegments(segments))
  for (const command of commands) {
    const [, verb = '', ...words] = command.split(' ')
    out.push(...bench.obey(verb, words))
  }
  return out
}

class Bench {
  #levels: Levels
  #oldestSnapshot = Number.MAX_SAFE_INTEGER
  readonly #inFlight = new InFlight()
  readonly #sizes: Map<number, number>
  readonly #held = new Set<number>()
  #options = DEFAULTS
  #rest = false
  #readers: Readers | undefined

  constructor(levels: Levels, segments: readonly SegmentMeta[]) {
    this.#levels = levels
    this.#sizes = new Map(segments.map(({ number, size }) => [number, size]))
    checkVersionOrder(levels)
  }

  obey(verb: string, words: readonly string[]): string[] {
    const [first, second] = words
    switch (verb) {
      case 'maxLevels':
        this.#levels = this.#levels.slice(0, Number(first))
        return []
      case 'reader':
        this.#oldestSnapshot = Number(first)
        return []
      case 'sizes':
        this.#options = { ...DEFAULTS, baseLevelSize: Number(first), tableSize: Number(second) }
        return []
      case 'held':
        this.#held.add(Number(first))
        return []
      case 'rest':
        this.#rest = true
        return []
      case 'now':
        this.#readers = { snapshots: [Number.MAX_SAFE_INTEGER], horizons: [Number(first)] }
        return []
      case 'doomed':
        return [this.#doomed()]
      case 'collect':
        return this.#collect(Number(first))
      case 'busy':
        this.#inFlight.reserve(busyPlan(this.#levels, words))
        return []
      case 'pick':
        return [describePlan(this.#pick(this.#levels))]
      case 'parallel':
        return this.#parallel()
      case 'settle':
        return follow(this.#levels, (now) => this.#pick(now), this.#readers?.horizons[0])
      case 'range':
        return this.#request({ start: keyOf(first), end: keyOf(second) })
      case 'flatten': {
        const bottom = this.#levels.length - 1
        return this.#request({ start: undefined, end: undefined, bottom })
      }
      case 'targets':
        return [describeTargets(this.#levels, this.#options)]
      case 'scores':
        return [this.#scores()]
      default:
        throw new Error(`unknown command ${verb}`)
    }
  }

  #pick(levels: Levels): CompactionPlan | undefined {
    const readers = this.#readers === undefined ? {} : { readers: this.#readers }
    const moment = { oldestSnapshot: this.#oldestSnapshot, ...readers, ...this.#values(levels) }
    return pickCompaction(levels, this.#options, this.#inFlight, moment)
  }

  #values(levels: Levels): { values?: ValuesMoment } {
    const fills = this.#fills(levels)
    const expired = expiredBytes(levels, this.#readers)
    if (fills.length + expired === 0) return {}
    const { bytes, garbage } = spaceOf(fills, levels)
    const space = { bytes, garbage: garbage + expired }
    const chosen = chooseDoomed(fills.filter(this.#mayGo), space)
    const doomed = chosen.length === 0 ? undefined : new Doomed(chosen)
    return { values: { doomed, space, rest: this.#rest } }
  }

  /** Of the segments that somebody needs; new ones hold nothing else. */
  #fills(levels: Levels): SegmentFill[] {
    const used = new Map([...this.#held].map((number) => [number, 0]))
    for (const { segments = [] } of levels.flat()) {
      for (const { number, bytes } of segments) used.set(number, (used.get(number) ?? 0) + bytes)
    }
    return [...used]
      .sort(([a], [b]) => a - b)
      .map(([number, bytes]) => {
        const size = this.#sizes.get(number) ?? bytes + OVERHEAD
        return { segment: { number, size, salt: '' }, used: bytes }
      })
  }

  readonly #mayGo = ({ segment }: SegmentFill): boolean => !this.#held.has(segment.number)

  #doomed(): string {
    const fills = this.#fills(this.#levels)
    const chosen = chooseDoomed(fills.filter(this.#mayGo), spaceOf(fills, this.#levels))
    return chosen.length === 0 ? 'none' : chosen.map(({ segment }) => segment.number).join(' ')
  }

  #collect(ratio: number): string[] {
    const fills = this.#fills(this.#levels).filter(this.#mayGo)
    const doomed = new Doomed(fills.filter((fill) => garbageShare(fill) > ratio))
    return follow(this.#levels, (now) => planValues(now, doomed, this.#inFlight))
  }

  #parallel(): string[] {
    const out: string[] = []
    for (let plan = this.#pick(this.#levels); ; plan = this.#pick(this.#levels)) {
      out.push(describePlan(plan))
      if (plan === undefined) return out
      this.#inFlight.reserve(plan)
    }
  }

  #request(range: Omit<RangeRequest, 'done'>): string[] {
    return follow(this.#levels, (now, done) =>
      planRange(now, { ...range, done }, this.#options, this.#inFlight),
    )
  }

  #scores(): string {
    const targets = levelTargets(this.#levels, this.#options)
    return levelScores(this.#levels, targets, this.#options.l0CompactTrigger, this.#inFlight)
      .map(({ level, score, adjusted }) => `L${level} ${round(score)} ${round(adjusted)}`)
      .join(', ')
  }
}

function spaceOf(fills: readonly SegmentFill[], levels: Levels): Space {
  let bytes = storedBytes(levels.flat())
  let garbage = 0
  for (const fill of fills) {
    bytes += fill.segment.size
    garbage += garbageOf(fill)
  }
  return { bytes, garbage }
}

function keyOf(word: string | undefined): Uint8Array | undefined {
  return word === undefined || word === '*' ? undefined : Buffer.from(word)
}

function describeTargets(levels: Levels, options: PickOptions): string {
  const { base, bytes } = levelTargets(levels, options)
  const sizes = bytes.map((size, level) => (size === Infinity ? '' : ` L${level} ${round(size)}`))
  return `base L${base}${sizes.join('')}`
}

function round(value: number): number {
  return Math.round(value * 100) / 100
}

/** A running compaction, given as `input-level output-level tables…`. */
function busyPlan(levels: Levels, words: readonly string[]): CompactionPlan {
  const [inputLevel, outputLevel, ...numbers] = words.map(Number)
  const of = (level: number): Levels[number] =>
    levels[level]!.filter(({ number }) => numbers.includes(number))
  return buildPlan(levels, {
    inputLevel: inputLevel!,
    outputLevel: outputLevel!,
    upper: of(inputLevel!),
    lower: of(outputLevel!),
  })
}

function follow(
  start: Levels,
  step: (levels: Levels, done: ReadonlySet<number>) => CompactionPlan | undefined,
  time = 0,
): string[] {
  const out: string[] = []
  const done = new Set<number>()
  let levels = start
  let number = 1000
  while (out.length < STEPS_MAX) {
    const plan = step(levels, done)
    out.push(describePlan(plan))
    if (plan === undefined) break
    const before = new Set(levels.flat().map((table) => table.number))
    const sources = plan.sources.map((tables) => tables.map((table) => lapsed(table, time)))
    levels = install(levels, { ...plan, sources }, () => number++)
    checkVersionOrder(levels)
    for (const table of levels.flat()) if (!before.has(table.number)) done.add(table.number)
  }
  return out
}

for (const name of readdirSync(FOLDER)) {
  test(`plans of ${name}`, () => {
    const path = join(FOLDER, name)
    const text = readFileSync(path, 'utf8')
    const now = `${parse(text)
      .map((each) => {
        const results = run(each).map((line) => `= ${line}`)
        return [each.title, ...each.levels, ...each.segments, ...each.commands, ...results].join(
          '\n',
        )
      })
      .join('\n\n')}\n`
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, now)
    else expect(now).toBe(text)
  })
}
