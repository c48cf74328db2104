// Faults the kernel injects into a process that goes on living with them, and kills at chosen system calls.
import { join } from 'node:path'
import { prng } from '../model/prng.ts'
import { pathsOf } from './events.ts'
import { type SystemCall, type Tampering, type TracedRun, trace } from './strace.ts'
import { Trial } from './trial.ts'

export interface FaultPlan {
  /** faulty-lives.ts, compiled. */
  readonly program: URL
  readonly seed: number
  /** Lives each kind of fault is lived through. */
  readonly lives: number
  readonly kills: number
}

export interface FaultCounts {
  /** How many the kernel injected, by call and error. */
  readonly injected: Map<string, number>
  readonly kills: Map<string, number>
  /** Errors the database answered with, by code. */
  readonly codes: Map<string, number>
  readonly failures: string[]
  commits: number
  acked: number
}

interface Kind {
  readonly call: string
  readonly error: string
  /** Which call fails, at the earliest, and how many later the next does. */
  readonly first: number
  readonly step: number
}

const KINDS: readonly Kind[] = [
  { call: 'fdatasync', error: 'EIO', first: 3, step: 5 },
  { call: 'fsync', error: 'EIO', first: 2, step: 4 },
  { call: 'pwrite64', error: 'ENOSPC', first: 5, step: 9 },
  { call: 'pwrite64', error: 'EIO', first: 7, step: 11 },
  { call: 'rename', error: 'EIO', first: 2, step: 3 },
  { call: 'unlink', error: 'EACCES', first: 1, step: 2 },
  { call: 'ftruncate', error: 'EIO', first: 2, step: 3 },
  { call: 'openat', error: 'EMFILE', first: 6, step: 11 },
]

const KILL_CALLS = ['pwrite64', 'fdatasync', 'fsync', 'rename', 'unlink', 'openat'] as const
const KILLS_PER_DIRECTORY = 8
const COMMITS_PER_LIFE = 40
/** File numbers a run may reach. */
const NUMBERS_MAX = 2_000

export async function runFaults(plan: FaultPlan): Promise<FaultCounts> {
  const maps = { injected: new Map(), kills: new Map(), codes: new Map() }
  const counts: FaultCounts = { ...maps, failures: [], commits: 0, acked: 0 }
  const random = prng(plan.seed, 1)
  for (const kind of KINDS) {
    const trial = new Trial()
    const first = kind.first + random.below(kind.step)
    await faults(plan, trial, counts, { ...kind, first })
    finish(trial, counts)
  }
  for (let i = 0; i < plan.kills; ) {
    const trial = new Trial()
    for (let k = 0; k < KILLS_PER_DIRECTORY && i < plan.kills; k++, i++) {
      const call = KILL_CALLS[i % KILL_CALLS.length]!
      await kill(plan, trial, counts, { call, nth: 1 + random.below(i % 3 === 0 ? 60 : 12) })
    }
    finish(trial, counts)
  }
  return counts
}

async function faults(
  plan: FaultPlan,
  trial: Trial,
  counts: FaultCounts,
  { call, error, first, step }: Kind,
): Promise<void> {
  const when = `${first}+${step}`
  const title = `${call} ${error} ${when}`
  const run = live(plan, trial, plan.lives, { call, what: `error=${error}`, when })
  const hit = run.calls.filter(({ result }) => result.includes('(INJECTED)')).length
  add(counts.injected, `${call} ${error}`, hit)
  // Two of these calls are made per life.
  if (hit === 0 && plan.lives > 3) trial.fail(title, 'no fault was injected')
  if (run.status !== 0)
    trial.fail(title, `it ended with ${run.status ?? run.signal}: ${run.stderr}`)
  for (const path of syncedAgain(run.calls)) trial.fail(title, `${path} was synced again`)
  await trial.check(title, run.stdout)
}

async function kill(
  plan: FaultPlan,
  trial: Trial,
  counts: FaultCounts,
  { call, nth }: { readonly call: string; readonly nth: number },
): Promise<void> {
  const title = `SIGKILL at ${call} ${nth}`
  const run = live(plan, trial, 2, { call, what: 'signal=SIGKILL', when: String(nth) })
  if (run.signal === 'SIGKILL') add(counts.kills, call, 1)
  else if (run.status !== 0) trial.fail(title, `it ended with ${run.status}: ${run.stderr}`)
  await trial.check(title, run.stdout)
}

function live(plan: FaultPlan, trial: Trial, lives: number, tampering: Tampering): TracedRun {
  const { directory, next } = trial
  // A process opens many a file that is not the database's.
  const paths = tampering.call === 'openat' ? dataPaths(directory) : []
  return trace({
    program: plan.program,
    args: [directory, lives, COMMITS_PER_LIFE, next].map(String),
    calls: [tampering.call, 'fdatasync', 'close'],
    tampering: { ...tampering, paths },
  })
}

function finish(trial: Trial, counts: FaultCounts): void {
  trial.end()
  counts.commits += trial.commits
  counts.acked += trial.acked
  counts.failures.push(...trial.failures)
  for (const [code, count] of trial.codes) add(counts.codes, code, count)
}

/** Files synced through a descriptor on which that had failed: the kernel then says yes to bytes it has lost. */
function syncedAgain(calls: readonly SystemCall[]): string[] {
  const failed = new Map<string, string>()
  const again: string[] = []
  for (const call of calls) {
    const descriptor = /^(\d+)/.exec(call.args)?.[1] ?? ''
    if (call.name === 'close') failed.delete(descriptor)
    if (call.name !== 'fdatasync') continue
    const before = failed.get(descriptor)
    if (before !== undefined) again.push(before)
    if (call.result.includes('INJECTED')) failed.set(descriptor, pathsOf(call)[0] ?? descriptor)
  }
  return again
}

/** Names the engine may use. */
function dataPaths(directory: string): string[] {
  const names = ['CURRENT.tmp']
  for (let number = 1; number <= NUMBERS_MAX; number++) {
    const digits = String(number).padStart(6, '0')
    names.push(`${digits}.wal`, `${digits}.sst`, `MANIFEST-${digits}`)
  }
  return names.map((name) => join(directory, name))
}

function add(counts: Map<string, number>, key: string, more: number): void {
  counts.set(key, (counts.get(key) ?? 0) + more)
}
