// Cases and their expected plans are text, in test/golden/compaction. UPDATE_GOLDEN=1 writes what
// the plans are now.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { InFlight } from '../../../src/compaction/in-flight.ts'
import { type PickOptions, pickCompaction } from '../../../src/compaction/pick.ts'
import { buildPlan, type CompactionPlan } from '../../../src/compaction/plan.ts'
import { planRange } from '../../../src/compaction/plan-range.ts'
import type { Levels } from '../../../src/manifest/levels.ts'
import { describePlan, install, parseLevels } from './levels-text.ts'

const FOLDER = join(import.meta.dirname, '../../golden/compaction')
const OPTIONS: PickOptions = {
  l0CompactTrigger: 4,
  baseLevelSize: 100,
  levelSizeMultiplier: 10,
  tableSize: 20,
}
const STEPS_MAX = 100

interface GoldenCase {
  readonly title: string
  readonly commands: readonly string[]
  readonly levels: readonly string[]
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
      }
    })
}

function run({ levels, commands }: GoldenCase): string[] {
  const inFlight = new InFlight()
  const out: string[] = []
  for (const command of commands) {
    const state = parseLevels(levels)
    const [, verb, ...words] = command.split(' ')
    if (verb === 'busy') inFlight.reserve(busyPlan(state, words))
    else if (verb === 'pick') out.push(describePlan(pickCompaction(state, OPTIONS, inFlight)))
    else if (verb === 'settle') {
      out.push(...follow(state, (now) => pickCompaction(now, OPTIONS, inFlight)))
    } else if (verb === 'range') {
      const [start, end] = words.map((word) => (word === '*' ? undefined : Buffer.from(word)))
      const step = (now: Levels, done: ReadonlySet<number>): CompactionPlan | undefined =>
        planRange(now, { start, end, done }, OPTIONS, inFlight)
      out.push(...follow(state, step))
    } else throw new Error(`unknown command ${command}`)
  }
  return out
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
    levels = install(levels, plan, () => number++)
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
        return [each.title, ...each.levels, ...each.commands, ...results].join('\n')
      })
      .join('\n\n')}\n`
    if (process.env['UPDATE_GOLDEN'] === '1') writeFileSync(path, now)
    else expect(now).toBe(text)
  })
}
