// An engine for one measurement: files in memory that count calls, time that takes no time, jobs that can be held up.
import { type ResolvedOptions, resolveOptions } from '../../../src/base/options.ts'
import { systemRandom } from '../../../src/base/random.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import type { EngineNotice } from '../../../src/engine/types.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import type { Executor } from '../../../src/pool/executor.ts'
import { inlineExecutor } from '../../../src/pool/inline-executor.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { QuickClock } from '../../support/fake/quick-clock.ts'

const SMALL = { workers: 0, memtableSize: 65_536, memoryBudget: 8 << 20, idleAfter: 'off' }

/** Kinds of jobs that wait until they are let go. */
export type Held = ReadonlySet<'flush' | 'compact'>

export class BenchEngine {
  readonly fs: FaultFileSystem = new FaultFileSystem()
  readonly clock: QuickClock = new QuickClock()
  readonly notices: EngineNotice[] = []
  readonly held: Set<string>
  readonly #waiting: (() => void)[] = []
  engine!: StorageEngine

  private constructor(held: Held) {
    this.held = new Set(held)
  }

  /** With its clock held. */
  static still(options: object): Promise<BenchEngine> {
    return BenchEngine.#open(new BenchEngine(new Set()), options, true)
  }

  static open(options: object, held: Held = new Set()): Promise<BenchEngine> {
    return BenchEngine.#open(new BenchEngine(held), options, false)
  }

  static async #open(bench: BenchEngine, options: object, still: boolean): Promise<BenchEngine> {
    if (still) bench.clock.hold()
    bench.engine = await openEngine('/db', BenchEngine.resolve(options), {
      fs: bench.fs,
      clock: bench.clock,
      executor: bench.#executor(),
      notify: (notice) => void bench.notices.push(notice),
    })
    return bench
  }

  static resolve(options: object): ResolvedOptions {
    return resolveOptions({ ...SMALL, compression: 'none', valueThreshold: 'off', ...options }, {})
  }

  /** One value of `bytes` under each of `count` keys from `first`. */
  async put(first: number, count: number, bytes = 100): Promise<void> {
    const operations = Array.from({ length: count }, (_, i) => ({
      type: 'put' as const,
      key: key(first + i),
      value: String(first + i).padEnd(bytes, '.'),
    }))
    await this.engine.batch(operations, {})
  }

  /** So many tables in level 0, of the same keys. */
  async fillLevel0(tables: number): Promise<void> {
    for (let i = 0; i < tables; i++) {
      await this.put(0, 20)
      await this.engine.flush()
    }
  }

  /** Turns of the event loop, enough for whatever is due to be done. */
  async turns(count = 40): Promise<void> {
    for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
  }

  level(level: number): number {
    return this.engine.stats().levels[level]!.tables
  }

  /** What is held up goes on, and nothing more is held up. */
  letGo(): void {
    this.held.clear()
    for (const go of this.#waiting.splice(0)) go()
  }

  async close(): Promise<void> {
    this.letGo()
    await this.engine.close()
  }

  #executor(): Executor {
    const { fs, clock } = this
    const kernels = (heap: Parameters<typeof wasmKernels>[0]): ReturnType<typeof wasmKernels> =>
      wasmKernels(heap)
    const inline = inlineExecutor({
      runJob,
      fs,
      random: systemRandom,
      clock,
      kernels: (heap) => kernels(heap.memory),
    })
    return {
      idle: 0,
      workers: 0,
      warmUp: () => undefined,
      stats: () => inline.stats(),
      close: () => inline.close(),
      run: async (spec, ticket) => {
        if (this.held.has(spec.kind)) {
          await new Promise<void>((go) => void this.#waiting.push(go))
        }
        return inline.run(spec, ticket)
      },
    }
  }
}

export function key(number: number): string {
  return `key-${String(number).padStart(8, '0')}`
}
