// The kill loop: writer commits and dies, verifier reads, oracle judges; many cycles in one directory.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Prng, prng } from '../model/prng.ts'
import { commitOf } from './commits.ts'
import { type Ending, live } from './endings.ts'
import { KILL_POINTS } from './kill-points.ts'
import { Oracle } from './oracle.ts'
import { type Progress, Verifier, Writer } from './processes.ts'

/** How writers end: at random moments, at each named point in turn, in other ways than by SIGKILL, or all of it. */
export type Endings = 'random' | 'points' | 'others' | 'mixed'

export interface KillPlan {
  readonly cycles: number
  readonly endings: Endings
  readonly durability: 'sync' | 'interval' | 'none'
  readonly seed: number
  readonly workers: number
  readonly programs: { readonly writer: URL; readonly verifier: URL }
  /** Where the databases lie. */
  readonly root: string
  readonly log: (line: string) => void
}

export interface KillTotals {
  cycles: number
  /** Of the cycles: by SIGKILL, at whatever moment. */
  kills: number
  announced: number
  acked: number
  survived: number
  flushes: number
  lost: number
  invented: number
  torn: number
  /** Rejected commits, writers that ended otherwise than ordered, databases that did not open. */
  failed: number
  elapsedMs: number
  /** Name of a point → how often it struck; a point that was ordered and never came by stands here with 0. */
  readonly struck: Map<string, number>
  /** Kind of end → how often. */
  readonly ends: Map<Ending['kind'], number>
}

/** Cycles in one directory before a fresh one with other sizes begins. */
const CYCLES_PER_DIRECTORY = 20
/** A stopped process is met by another one after so long. */
const STOP_MS = 700
const KIB = 1024

/** One database directory with its options and what the parent knows about it. */
interface Stage {
  readonly directory: string
  readonly options: Readonly<Record<string, unknown>>
  readonly oracle: Oracle
  nextNumber: number
}

export async function runKillCycles(plan: KillPlan): Promise<KillTotals> {
  const random = prng(plan.seed)
  const totals = emptyTotals()
  const started = performance.now()
  const verifier = new Verifier(plan.programs.verifier)
  let stage = newStage(plan, random)
  const newWriter = (): Writer => new Writer(plan.programs.writer, plan.endings === 'points')
  const standby = [newWriter()]
  // The next one loads while this one works.
  const writer = (): Writer => {
    standby.push(newWriter())
    return standby.shift()!
  }
  try {
    for (let cycle = 0; cycle < plan.cycles && bad(totals) === 0; cycle++) {
      if (cycle > 0 && cycle % CYCLES_PER_DIRECTORY === 0) {
        rmSync(stage.directory, { recursive: true })
        stage = newStage(plan, random)
      }
      const { directory, options, nextNumber: firstNumber } = stage
      const order = { directory, options, seed: plan.seed, firstNumber }
      const ending = endingOf(plan, cycle, random)
      const life = { order, writer, verifier, random, stopMs: STOP_MS }
      const { progress, wrong } = await live(life, ending)
      count(totals, ending, progress)
      if (wrong !== undefined) fail(plan, totals, `${wrong}\n${progress.errors}`)
      await judge({ plan, stage, progress, verifier, totals, readOnly: random.chance(0.25) })
      totals.cycles++
    }
  } finally {
    for (const idle of standby) await idle.kill()
    await verifier.end()
  }
  if (bad(totals) === 0) rmSync(stage.directory, { recursive: true })
  else plan.log(`kept: ${stage.directory} (seed ${plan.seed}, ${JSON.stringify(stage.options)})`)
  totals.elapsedMs = performance.now() - started
  return totals
}

/** Findings that make a run red. */
export function bad(totals: KillTotals): number {
  return totals.lost + totals.invented + totals.torn + totals.failed
}

/** Kinds beside kills and points, in turn. */
const OTHERS: readonly Ending['kind'][] = ['exit', 'throw', 'terminate', 'stop']
/** In a mix one cycle in so many ends in another way than by a kill. */
const OTHERS_EVERY = 10

function endingOf({ endings, seed }: KillPlan, cycle: number, random: Prng): Ending {
  const at = seed + cycle
  if (endings === 'others' || (endings === 'mixed' && cycle % OTHERS_EVERY === 9)) {
    const turn = endings === 'others' ? cycle : Math.floor(cycle / OTHERS_EVERY)
    const kind = OTHERS[turn % OTHERS.length]!
    if (kind !== 'kill' && kind !== 'point') return { kind }
  }
  if (endings === 'points') return { kind: 'point', index: at % KILL_POINTS.length }
  if (endings === 'mixed' && random.chance(0.5)) {
    return { kind: 'point', index: random.below(KILL_POINTS.length) }
  }
  // One kill in eight comes while the database is still opening.
  return { kind: 'kill', early: random.chance(0.125) }
}

function count(totals: KillTotals, ending: Ending, { struck }: Progress): void {
  const { ends } = totals
  ends.set(ending.kind, (ends.get(ending.kind) ?? 0) + 1)
  if (ending.kind === 'kill' || ending.kind === 'stop' || struck) totals.kills++
  if (ending.kind !== 'point') return
  const { name } = KILL_POINTS[ending.index]!
  totals.struck.set(name, (totals.struck.get(name) ?? 0) + (struck ? 1 : 0))
}

function fail({ log }: KillPlan, totals: KillTotals, what: string): void {
  totals.failed++
  log(`cycle ${totals.cycles}: ${what}`)
}

interface Cycle {
  readonly plan: KillPlan
  readonly stage: Stage
  readonly progress: Progress
  readonly verifier: Verifier
  readonly totals: KillTotals
  readonly readOnly: boolean
}

async function judge({ plan, stage, progress, verifier, totals, readOnly }: Cycle): Promise<void> {
  const at = `cycle ${totals.cycles}`
  if (progress.rejected) fail(plan, totals, `a commit was rejected\n${progress.errors}`)
  const options = readOnly ? { ...stage.options, readOnly: true } : stage.options
  const before = readOnly ? listing(stage.directory) : ''
  const reply = await verifier.verify({ directory: stage.directory, options })
  if (readOnly && listing(stage.directory) !== before) {
    fail(plan, totals, 'a read-only opening changed files')
  }
  // Killed before it was created: a reader does not create it.
  const unwritten = readOnly && stage.nextNumber === 0 && progress.announced.length === 0
  const unborn = unwritten && reply.code === 'LEVEL_NOT_FOUND'
  if (reply.error !== undefined && !unborn) {
    fail(plan, totals, `the verifier failed (readOnly ${readOnly}): ${reply.error}`)
    return
  }
  const commits = progress.announced.map((number) => commitOf(plan.seed, number))
  const lastAcked = progress.announced.findLastIndex((number) => progress.acked.has(number))
  const found = new Map(reply.keys.map((key, index) => [key, reply.tags[index]!]))
  const verdict = stage.oracle.judge(commits, lastAcked + 1, found)
  for (const finding of verdict.findings) plan.log(`${at}: ${finding}`)
  stage.nextNumber += commits.length
  totals.announced += commits.length
  totals.acked += progress.acked.size
  totals.survived += verdict.survived
  totals.flushes += progress.flushed
  totals.lost += verdict.lost
  totals.invented += verdict.invented
  totals.torn += verdict.torn
}

function newStage(plan: KillPlan, random: Prng): Stage {
  const durability = plan.durability === 'interval' ? { interval: 100 } : plan.durability
  return {
    directory: mkdtempSync(join(plan.root, 'sett-kill-')),
    options: {
      durability,
      workers: plan.workers,
      memtableSize: (64 << random.below(2)) * KIB,
      memoryBudget: 16 * KIB * KIB,
      blockSize: random.chance(0.5) ? 512 : 4 * KIB,
      tableSize: (64 << random.below(3)) * KIB,
      l0CompactTrigger: 2 + random.below(3),
      valueThreshold: [64, 300, 1_000][random.below(3)]!,
      segmentSize: (64 << random.below(4)) * KIB,
      segmentMaxEntries: random.chance(0.5) ? 100 : 1_000_000,
    },
    oracle: new Oracle(),
    nextNumber: 0,
  }
}

/** Names, sizes and times of a directory's files. */
function listing(directory: string): string {
  if (!existsSync(directory)) return ''
  return readdirSync(directory)
    .sort()
    .map((name) => {
      const { size, mtimeMs } = statSync(join(directory, name))
      return `${name} ${size} ${mtimeMs}`
    })
    .join('\n')
}

function emptyTotals(): KillTotals {
  const zero = { cycles: 0, kills: 0, announced: 0, acked: 0, survived: 0, flushes: 0 }
  const findings = { lost: 0, invented: 0, torn: 0, failed: 0 }
  return { ...zero, ...findings, elapsedMs: 0, struck: new Map(), ends: new Map() }
}
