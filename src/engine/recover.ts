// Replays the logs an earlier open left: each WAL in a job of its own, all at once, or, when starting a thread would
// take longer, here and step by step; then one judgement over all of them, and what counts becomes immutable memtables
// waiting for their flush. Main thread. Writes nothing; the edit it returns makes the cuts durable.
import { SettError } from '../base/errors.ts'
import { HEAP_BYTES_MAX, KIB, MIB } from '../base/limits.ts'
import { FILE_HEADER_BYTES } from '../format/file-header.ts'
import type { ManifestEdit } from '../format/manifest-edit.ts'
import { parseFileName, walPath } from '../io/file-names.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { ReplayResult, ReplaySpec } from '../jobs/job.ts'
import type { WalState } from '../manifest/apply-edit.ts'
import type { HeapAllocator } from '../memory/heap-allocator.ts'
import type { Region } from '../memory/shared-heap.ts'
import { Memtable } from '../memtable/memtable.ts'
import { createCancelFlag } from '../pool/cancel-flag.ts'
import { PRIORITY } from '../pool/executor.ts'
import { type ReplayedWal, replayInSteps } from '../wal/replay.ts'
import { planReplay, type ReplayPlan } from '../wal/replay-order.ts'
import { inspectUnnamedWal } from '../wal/unnamed-wal.ts'
import type { WalEnd } from '../wal/wal-file.ts'
import { writeAgain } from './disk/write-again.ts'
import type { Foundation } from './foundation.ts'
import { runTries } from './job-runner.ts'
import type { WalOnDisk } from './memory-plan.ts'
import type { FrozenMemtable } from './memtables.ts'

export interface RecoveredLogs {
  /** Oldest first. */
  readonly frozen: readonly FrozenMemtable[]
  /** Highest version any file names. */
  readonly lastVersion: number
  /** What the first WAL of this open follows. */
  readonly predecessor: WalEnd | undefined
  /** Seals what counts at its cut, drops what does not. */
  readonly edit: ManifestEdit
  readonly tornTailsCut: number
  /** They are so few and small that no thread need be started to flush them at once. */
  readonly mayRest: boolean
}

interface Replayed {
  readonly result: ReplayedWal
  readonly arena: Region
}

/** Logs of no more bytes together are replayed on this thread: 8 MiB take 50 ms, a worker's start 140. */
const HERE_BYTES_MAX = 8 * MIB
/** More of them are flushed at once, or a row of short lives would pile them up. */
const RESTING_LOGS_MAX = 3
/** Of a log, between two turns of the event loop: 1 to 2 ms. */
const STEP_BYTES = 256 * KIB

export async function recoverLogs(
  foundation: Foundation,
  allocator: HeapAllocator,
): Promise<RecoveredLogs> {
  const { manifest, environment, options, machine, executor } = foundation
  const replayed = await replayAll(foundation, allocator)
  const plan = judge(foundation, replayed)
  if (!options.readOnly) await syncKept(foundation, plan)
  const frozen: FrozenMemtable[] = []
  const used = new Set<number>()
  for (const wal of plan.kept) {
    const { number } = wal
    if (wal.cutAt <= FILE_HEADER_BYTES) continue
    const { arena } = replayed.get(number)!
    const memtable = Memtable.adopt(machine, arena, wal)
    frozen.push({ memtable, walNumber: number, wal: undefined, unfinished: 0, keeps: [] })
    used.add(number)
  }
  for (const [number, { arena }] of replayed) if (!used.has(number)) allocator.free(arena)
  if (plan.tornTails > 0) {
    environment.logger.warn(
      { tornTails: plan.tornTails },
      'A log ended in a write that a crash cut short; that unfinished commit was left out',
    )
  }
  return {
    frozen,
    lastVersion: Math.max(manifest.lastVersion, plan.lastVersion),
    predecessor: plan.predecessor,
    edit: sealingEdit(manifest.wals, plan, used),
    tornTailsCut: plan.tornTails,
    mayRest:
      executor.workers > 0 &&
      frozen.length <= RESTING_LOGS_MAX &&
      isReplayedHere(foundation, presentWals(foundation)),
  }
}

/** Every WAL that is there, by number. */
async function replayAll(
  foundation: Foundation,
  allocator: HeapAllocator,
): Promise<Map<number, Replayed>> {
  const present = presentWals(foundation)
  const all = isReplayedHere(foundation, present)
    ? await replayHere(foundation, allocator, present)
    : await replayInJobs(foundation, allocator, present)
  return new Map(all.map((replayed) => [replayed.result.number, replayed]))
}

function presentWals({ wals }: Foundation): readonly WalOnDisk[] {
  return wals.filter(({ bytes }) => bytes !== undefined)
}

/** An executor that was handed in gets every job. */
function isReplayedHere(
  { environment, executor }: Foundation,
  wals: readonly WalOnDisk[],
): boolean {
  if (environment.executor !== undefined) return false
  const bytes = wals.reduce((sum, wal) => sum + (wal.bytes ?? 0), 0)
  return executor.workers === 0 || bytes <= HERE_BYTES_MAX
}

/** One log after the other, and the event loop gets its turns. */
async function replayHere(
  { directory, machine, environment }: Foundation,
  allocator: HeapAllocator,
  wals: readonly WalOnDisk[],
): Promise<Replayed[]> {
  const { fs, clock } = environment
  const all: Replayed[] = []
  for (const wal of wals) {
    const arena = takeArena(allocator, wal)
    const memory = { ...machine, arena, cancelled: () => false }
    const steps = replayInSteps({ ...sourceOf(wal), fs, directory }, memory, STEP_BYTES)
    let step = steps.next()
    while (step.done !== true) {
      await new Promise<void>((resolve) => clock.nextTurn(resolve))
      step = steps.next()
    }
    all.push({ result: step.value, arena })
  }
  return all
}

async function replayInJobs(
  foundation: Foundation,
  allocator: HeapAllocator,
  wals: readonly WalOnDisk[],
): Promise<Replayed[]> {
  const jobs = wals.map((wal) => replayOne(foundation, allocator, wal))
  // All jobs end before anything is decided: a failed open must not leave one writing to the heap.
  const outcomes = await Promise.allSettled(jobs)
  return outcomes.map((outcome) => {
    if (outcome.status === 'rejected') throw outcome.reason
    return outcome.value
  })
}

async function replayOne(
  { directory, executor, machine }: Foundation,
  allocator: HeapAllocator,
  wal: WalOnDisk,
): Promise<Replayed> {
  const arena = takeArena(allocator, wal)
  const spec: ReplaySpec = { kind: 'replay', directory, arena, ...sourceOf(wal) }
  const ticket = { heap: machine.heap, priority: PRIORITY.replay, cancel: createCancelFlag() }
  // A replay begins with an empty arena, whatever a dead worker left in it.
  const tries = { spec: () => spec, failed: () => undefined }
  return { result: await runTries<ReplayResult>(executor, ticket, tries), arena }
}

function sourceOf({
  number,
  salt,
  sealed,
}: WalOnDisk): Pick<ReplaySpec, 'number' | 'salt' | 'sealed'> {
  return { number, salt, ...(sealed === undefined ? {} : { sealed }) }
}

function takeArena(allocator: HeapAllocator, { arenaBytes }: WalOnDisk): Region {
  const arena = allocator.allocate(arenaBytes, 64)
  if (arena !== undefined) return arena
  throw new SettError(
    'SETT_OUT_OF_MEMORY',
    `Replaying the log needs ${arenaBytes} bytes more than the heap of at most ${HEAP_BYTES_MAX} has. ` +
      'Open with a smaller memtableSize and smaller caches.',
  )
}

function judge(
  { directory, manifest, environment }: Foundation,
  replayed: ReadonlyMap<number, Replayed>,
): ReplayPlan {
  const named = new Set(manifest.wals.map(({ number }) => number))
  const results = new Map([...replayed].map(([number, { result }]) => [number, result]))
  return planReplay({
    directory,
    named: manifest.wals,
    replayed: results,
    unnamed: unnamedWals(environment.fs, directory, named).map((number) =>
      inspectUnnamedWal(environment.fs, directory, number),
    ),
    lastEdit: manifest.editNumber,
    nextFileNumber: manifest.nextFileNumber,
  })
}

function unnamedWals(fs: FileSystem, directory: string, named: ReadonlySet<number>): number[] {
  if (fs.statSync(directory) === undefined) return []
  return fs.listSync(directory).flatMap((name) => {
    const file = parseFileName(name)
    return file?.kind === 'wal' && !named.has(file.number) ? [file.number] : []
  })
}

/** What counts is on disk before an edit says that it is. */
async function syncKept(
  { environment, directory, syncFile, manifest }: Foundation,
  plan: ReplayPlan,
): Promise<void> {
  const sealed = new Set(
    manifest.wals.filter((wal) => wal.sealed !== undefined).map((wal) => wal.number),
  )
  for (const { number, syncedOffset, cutAt } of plan.kept) {
    if (sealed.has(number)) continue
    const file = environment.fs.openSync(walPath(directory, number), 'update')
    try {
      await writeAgain(file, Math.max(syncedOffset, FILE_HEADER_BYTES), cutAt)
      await syncFile(file)
    } finally {
      file.closeSync()
    }
  }
}

function sealingEdit(
  wals: readonly WalState[],
  plan: ReplayPlan,
  used: ReadonlySet<number>,
): ManifestEdit {
  const sealed = new Set(wals.filter((wal) => wal.sealed !== undefined).map((wal) => wal.number))
  const empty = plan.kept.filter(({ number }) => !used.has(number)).map(({ number }) => number)
  return {
    walsSealed: plan.kept
      .filter(({ number }) => used.has(number) && !sealed.has(number))
      .map(({ number, cutAt, lastVersion, digest }) => ({
        number,
        length: cutAt,
        lastVersion,
        digest,
      })),
    walsDropped: [...plan.discarded, ...empty],
    lastVersion: plan.lastVersion,
  }
}
