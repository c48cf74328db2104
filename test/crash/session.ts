// One database on a file system that remembers, driven deterministically: the same seed and the same calls give the
// same steps, byte for byte. Tells the oracle whatever it does.
import type { Clock, TimerHandle } from '../../src/base/clock.ts'
import type { HeapMemory } from '../../src/base/heap-memory.ts'
import type { Logger } from '../../src/base/logger.ts'
import { type ResolvedOptions, resolveOptions } from '../../src/base/options.ts'
import type { Random } from '../../src/base/random.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import { repairDirectory } from '../../src/engine/repair/repair.ts'
import type { Durability, Environment, ValueInput, WriteOperation } from '../../src/engine/types.ts'
import type { Kernels } from '../../src/kernel/kernels.ts'
import { wasmKernels } from '../../src/kernel/wasm-kernels.ts'
import type { SharedHeap } from '../../src/memory/shared-heap.ts'
import type { Executor } from '../../src/pool/executor.ts'
import type { FaultFileSystem } from '../faults/fault-file-system.ts'
import { type Prng, prng } from '../model/prng.ts'
import { checkContent, DIRECTORY } from './check.ts'
import type { Bounds, History } from './history.ts'

const KEYS_MOST = 10_000

/** Wall time between two openings, and before the first one of a database with a past: longer than any first life. */
const LATER_MS = 1e9
const PAST_MS = 1_000 * LATER_MS

const OPTIONS = resolveOptions({
  workers: 0,
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  blockSize: 512,
  tableSize: 16_384,
  l0StallTrigger: 8,
  // Only large values leave the tables, which are as large as what is put.
  valueThreshold: 16_384,
})

const SEPARATE = { valueThreshold: 600, segmentSize: 65_536, segmentMaxEntries: 5 } as const

/** What a database of a workload is opened with. */
export interface Settings {
  readonly durability: Durability
  /** 1: every flush is followed by a compaction, and one full level makes the next. */
  readonly l0CompactTrigger: 1 | 4
  /** Values of some length lie in segments, a few in each. */
  readonly separate?: boolean
  /** Merges of a few kilobytes are done in parts, one after the other. */
  readonly split?: boolean
}

/** What the jobs of a session may use. */
export interface SessionTools {
  readonly fs: FaultFileSystem
  readonly random: Random
  readonly kernels: (heap: SharedHeap) => Kernels
}

export interface SessionParts {
  readonly fs: FaultFileSystem
  readonly history: History
  /** Of all random choices in it. */
  readonly seed: number
  /** Tells sessions of one seed apart. */
  readonly name: string
  readonly settings: Settings
}

export class Session {
  fs: FaultFileSystem
  history: History
  /** For the operations. */
  readonly random: Prng
  readonly #parts: SessionParts
  readonly #salts: Prng
  /** What the engine complained about: nothing failed, so there is nothing to complain about. */
  readonly #complaints: string[] = []
  #engine: StorageEngine | undefined
  /** Wall time, beside that of single looks. What expires in a session does so long before anybody else looks. */
  #wallMs: number
  #collecting: Promise<void> = Promise.resolve()
  /** Commits and jobs that nobody waits for. */
  #running: Promise<unknown>[] = []

  constructor(parts: SessionParts) {
    const { fs, history, seed, name } = parts
    this.#parts = parts
    this.fs = fs
    this.history = history
    this.random = prng(seed, 1)
    this.#salts = prng(seed, hashOf(name))
    this.#wallMs = history.last === 0 ? 0 : PAST_MS
    fs.flipSources()
  }

  get engine(): StorageEngine {
    if (this.#engine === undefined) throw new Error('the session is open')
    return this.#engine
  }

  /** `executorOf`: runs the jobs, and as many at once as it says. */
  async open(executorOf?: (tools: SessionTools) => Executor): Promise<void> {
    const tools = this.#environment()
    const kernels = (heap: SharedHeap): Kernels => kernelsOf(heap.memory)
    const given = executorOf === undefined ? {} : { executor: executorOf({ ...tools, kernels }) }
    this.#engine = await openEngine(DIRECTORY, this.#options(), { ...tools, ...given })
  }

  /** One commit; resolves when it is acked. */
  async commit(operations: readonly WriteOperation[], durability?: 'sync' | 'none'): Promise<void> {
    const options = durability === undefined ? {} : { durability }
    await this.#acked(operations, durability, () => this.engine.batch(operations, options))
  }

  /** A value that comes in two pieces, which takes its place among the commits once `ended` resolves. */
  async stream(key: string, value: string, ended: Promise<unknown>): Promise<void> {
    const { input, taken } = halves(value, ended)
    const streamed = this.engine.putStream(key, input, {})
    // Should it fail before.
    await Promise.race([taken, streamed])
    await this.#acked([{ type: 'put', key, value }], undefined, () => streamed)
  }

  /** Deletes what is there between two keys, both included. */
  async clear(gte: string, lte: string): Promise<void> {
    const { engine } = this
    const range = { gte, lte, version: engine.version, keyForm: 'utf8', valueForm: 'utf8' } as const
    const there = engine.range({ ...range, keys: true, values: false }).next(KEYS_MOST)
    const operations = there.map(([key]) => ({ type: 'del', key: key as string }) as const)
    const clearing = { ...range, keys: true, values: false, limit: -1 }
    if (operations.length === 0) await engine.clear(clearing)
    else await this.#acked(operations, undefined, () => engine.clear(clearing))
  }

  async flush(): Promise<void> {
    await this.#allSafe(() => this.engine.flush())
  }

  async compact(): Promise<void> {
    await this.#allSafe(() => this.engine.compactRange(undefined, undefined))
  }

  /** Values of every segment with garbage are copied, and the segment goes. */
  async collectGarbage(): Promise<void> {
    // One at a time.
    const before = this.#collecting
    const work = before.then(async () => void (await this.engine.collectGarbage(0)))
    this.#collecting = work.catch(() => undefined)
    await work
  }

  async flatten(): Promise<void> {
    await this.#allSafe(() => this.engine.flatten())
  }

  async settle(): Promise<void> {
    await this.engine.settle()
  }

  /** Wall time goes on. */
  pass(ms: number): void {
    this.#wallMs += ms
  }

  /** Lets the work go on while later operations run. */
  leaveRunning(work: Promise<unknown>): void {
    this.#running.push(work)
    // It is waited for before the end; until then a failure is nobody's yet.
    work.catch(() => undefined)
  }

  async join(): Promise<void> {
    await Promise.all(this.#running.splice(0))
  }

  async close(): Promise<void> {
    await this.#allSafe(() => this.engine.close())
    if (this.#complaints.length > 0) throw new Error(`it complained: ${this.#complaints[0]}`)
  }

  /** The process is killed: it goes on where nobody sees it. What it leaves is recovered by `recovery`, and then
   * open again. */
  async kill(recovery: () => Promise<void>): Promise<void> {
    const { fs, engine } = this
    // What the killed process is still promised, it is promised elsewhere.
    const cut = fs.steps.length
    const history = this.history.after(this.history.last, cut)
    this.fs = fs.afterKill()
    this.fs.flipSources()
    await recovery()
    const found = checkContent(this.engine, history, history.bounds(cut, 'kill'))
    this.history = history.after(found, cut)
    this.history.promise(found, 'power', this.fs.steps.length)
    // Its heap is wanted back.
    await engine.close()
  }

  /** Of a closed database in which nothing is damaged. */
  async repair(): Promise<void> {
    const report = await repairDirectory(DIRECTORY, this.#options(), this.#environment())
    const [loss] = report.lost
    if (loss !== undefined) throw new Error(`the repair lost a part of ${loss.file}: ${loss.why}`)
  }

  /** Opens a closed database without writing, and returns the commit found. */
  async look(bounds: Bounds): Promise<number> {
    const { fs } = this
    const before = fs.steps.length
    const commit = await this.#see(bounds)
    if (fs.steps.length > before) throw new Error(`reading it changed it: ${kindOf(fs, before)}`)
    return commit
  }

  async #see(bounds: Bounds): Promise<number> {
    let engine: StorageEngine
    try {
      const options = { ...this.#options(), readOnly: true, createIfMissing: false }
      engine = await openEngine(DIRECTORY, options, this.#environment())
    } catch (error) {
      if (!isNone(error) || bounds.least > 0) throw error
      return 0
    }
    try {
      return checkContent(engine, this.history, bounds)
    } finally {
      await engine.close()
    }
  }

  /** What was handed over before the call is durable once it has ended. */
  async #allSafe(work: () => Promise<void>): Promise<void> {
    const { history, fs } = this
    const { last } = history
    await work()
    history.promise(last, 'power', fs.steps.length)
  }

  async #acked(
    operations: readonly WriteOperation[],
    durability: 'sync' | 'none' | undefined,
    work: () => Promise<void>,
  ): Promise<void> {
    const { history, fs } = this
    const commit = history.hand(operations, fs.steps.length)
    const usual = this.#parts.settings.durability
    const safety = (durability ?? usual) === 'sync' ? 'power' : 'kill'
    await work()
    history.promise(commit, safety, fs.steps.length)
  }

  #options(): ResolvedOptions {
    const { durability, l0CompactTrigger, separate } = this.#parts.settings
    return { ...OPTIONS, durability, l0CompactTrigger, ...(separate && SEPARATE) }
  }

  #environment(): Omit<Environment, 'executor' | 'notify'> & { readonly fs: FaultFileSystem } {
    const fill = (target: Uint8Array): void => {
      for (let i = 0; i < target.length; i++) target[i] = this.#salts.below(256)
    }
    const { fs } = this
    this.#wallMs += LATER_MS
    const turning = turnClock()
    const clock: Clock = { ...turning, wallMs: () => this.#wallMs + turning.wallMs() }
    const given = { fs, clock, random: { fill }, logger: this.#logger() }
    const splitting = { least: 4096, most: 65_536, lanes: 3 }
    return { ...given, kernels: kernelsOf, ...(this.#parts.settings.split && { splitting }) }
  }

  #logger(): Logger {
    const ignore = (): void => undefined
    const error = (fields: object, message: string): void => {
      this.#complaints.push(`${message} ${'err' in fields ? String(fields.err) : ''}`)
    }
    return { debug: ignore, info: ignore, warn: ignore, error }
  }
}

interface Halves {
  readonly input: ValueInput
  /** Both were taken, and the end told. */
  readonly taken: Promise<void>
}

/** A value in two pieces, and its end once `ended` resolves. */
export function halves(value: string, ended: Promise<unknown>): Halves {
  const half = Math.floor(value.length / 2)
  const pieces = [value.slice(0, half), value.slice(half)].map((piece) => Buffer.from(piece))
  let end = (): void => undefined
  const taken = new Promise<void>((resolve) => {
    end = resolve
  })
  const next = async (): Promise<Buffer | undefined> => {
    const piece = pieces.shift()
    if (piece !== undefined) return piece
    await ended
    end()
    return undefined
  }
  return { input: { next }, taken }
}

function kindOf(fs: FaultFileSystem, step: number): string {
  return fs.steps[step]?.kind ?? 'nothing'
}

function isNone(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'LEVEL_NOT_FOUND'
}

const instances = new WeakMap<HeapMemory, Kernels>()

/** Heaps are used again, and the kernels hold no state: instantiating them is what an open costs most. */
export function kernelsOf(memory: HeapMemory): Kernels {
  let kernels = instances.get(memory)
  if (kernels === undefined) {
    kernels = wasmKernels(memory)
    instances.set(memory, kernels)
  }
  return kernels
}

/** Of the event loop. */
export async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** A clock on which each look takes a hundredth of a millisecond, and a millisecond one turn of the event loop. */
export function turnClock(): Clock {
  let now = 0
  const after = (delayMs: number, run: () => void): TimerHandle => {
    let left = Math.ceil(delayMs)
    const turn = (): void => {
      if (left < 0) return
      if (left-- > 0) setImmediate(turn)
      else run()
    }
    setImmediate(turn)
    return {
      unref: () => undefined,
      cancel: () => {
        left = -1
      },
    }
  }
  const look = (): number => {
    now += 0.01
    return now
  }
  return { wallMs: look, monotonicMs: look, after, nextTurn: (run) => void setImmediate(run) }
}

/** FNV-1a. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let i = 0; i < text.length; i++) hash = Math.imul(hash ^ text.charCodeAt(i), 0x01000193)
  return hash >>> 0
}
