// The kill loop: writer commits, parent kills it, verifier reads, oracle judges; many cycles in one directory.
import { existsSync, mkdtempSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type Prng, prng } from '../model/prng.ts'
import { commitOf } from './commits.ts'
import { Oracle } from './oracle.ts'
import { type Progress, Verifier, Writer } from './processes.ts'

export interface KillPlan {
  readonly cycles: number
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
  announced: number
  acked: number
  survived: number
  flushes: number
  lost: number
  invented: number
  torn: number
  /** Rejected commits, writers that ended by themselves, databases that did not open. */
  failed: number
  elapsedMs: number
}

/** Cycles in one directory before a fresh one with other sizes begins. */
const CYCLES_PER_DIRECTORY = 20
const READY_LIMIT_MS = 20_000
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
  let standby = new Writer(plan.programs.writer)
  try {
    for (let cycle = 0; cycle < plan.cycles && bad(totals) === 0; cycle++) {
      if (cycle > 0 && cycle % CYCLES_PER_DIRECTORY === 0) {
        rmSync(stage.directory, { recursive: true })
        stage = newStage(plan, random)
      }
      const writer = standby
      const lanes = random.chance(0.3) ? 1 : 2 + random.below(31)
      const order = { ...stage, seed: plan.seed, firstNumber: stage.nextNumber, lanes }
      // One kill in eight comes while the database is still opening.
      const early = random.chance(0.125)
      await writer.start(pick(order), early ? random.below(15) : READY_LIMIT_MS)
      if (!early) await sleep(5 + random.below(56))
      const progress = await writer.kill()
      standby = new Writer(plan.programs.writer)
      await judge({ plan, stage, progress, verifier, totals, readOnly: random.chance(0.25) })
      totals.cycles++
    }
  } finally {
    await standby.kill()
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
  if (progress.failed) {
    totals.failed++
    plan.log(`${at}: the writer failed by itself`)
  }
  const options = readOnly ? { ...stage.options, readOnly: true } : stage.options
  const before = readOnly ? listing(stage.directory) : ''
  const reply = await verifier.verify({ directory: stage.directory, options })
  if (readOnly && listing(stage.directory) !== before) {
    totals.failed++
    plan.log(`${at}: a read-only opening changed files`)
  }
  const unborn = readOnly && stage.nextNumber === 0 && progress.announced.length === 0
  if (reply.error !== undefined && !unborn) {
    totals.failed++
    plan.log(`${at}: the verifier failed (readOnly ${readOnly}): ${reply.error}`)
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
      memtableSize: (64 << random.below(3)) * KIB,
      memoryBudget: 16 * KIB * KIB,
      blockSize: random.chance(0.5) ? 512 : 4 * KIB,
      tableSize: (64 << random.below(3)) * KIB,
    },
    oracle: new Oracle(),
    nextNumber: 0,
  }
}

function pick({ directory, options, seed, firstNumber, lanes }: Parameters<Writer['start']>[0]) {
  return { directory, options, seed, firstNumber, lanes }
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
  const zero = { cycles: 0, announced: 0, acked: 0, survived: 0, flushes: 0 }
  return { ...zero, lost: 0, invented: 0, torn: 0, failed: 0, elapsedMs: 0 }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
