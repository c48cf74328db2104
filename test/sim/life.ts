// One process that has the database open, from the first call of open to its end: closed, killed, or without power.
// Whatever it begins is followed until it ended, and every error it is answered with is judged.
import { createHash } from 'node:crypto'
import { basename } from 'node:path'
import type { HeapMemory } from '../../src/base/heap-memory.ts'
import type { Logger } from '../../src/base/logger.ts'
import type { ResolvedOptions } from '../../src/base/options.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import { FILE_HEADER_BYTES } from '../../src/format/file-header.ts'
import { parseFileName } from '../../src/io/file-names.ts'
import type { Kernels } from '../../src/kernel/kernels.ts'
import { wasmKernels } from '../../src/kernel/wasm-kernels.ts'
import { Disk } from '../faults/disk.ts'
import type { FaultFileSystem } from '../faults/fault-file-system.ts'
import type { Prng } from '../model/prng.ts'
import { type DiskLie, ProcessFiles } from './process-files.ts'
import { type JobCounts, SteppingExecutor } from './stepping-executor.ts'
import type { World } from './world.ts'

export const DIRECTORY = '/db'

export interface LifeParts {
  readonly world: World
  readonly machine: FaultFileSystem
  readonly random: Prng
  readonly options: ResolvedOptions
  readonly counts: JobCounts
  readonly deathsOneIn: number
  readonly lie: DiskLie | undefined
  readonly believesTheDead: boolean
  /** What must never be. */
  readonly failed: (what: string, error?: unknown) => void
}

type Stage = 'opening' | 'open' | 'closing' | 'ended'

/** Codes an error may have once something was done to the disk. */
const TROUBLES: ReadonlySet<string> = new Set([
  'EIO',
  'ENOSPC',
  'EMFILE',
  'SETT_DISK_FULL',
  'LEVEL_IO_ERROR',
  'SETT_POISONED',
])
/** Nothing takes so many events, with a disk that answers. */
const EVENTS_MOST = 200_000

export class Life {
  readonly world: World
  readonly machine: FaultFileSystem
  readonly files: ProcessFiles
  readonly options: ResolvedOptions
  stage: Stage = 'opening'
  /** Something was done to the disk: errors are no surprise. */
  troubled = false
  /** It failed or was slow. */
  disturbed = false
  poisoned = false
  /** Garbage is being collected. */
  collecting = false
  readonly #parts: LifeParts
  readonly #executor: SteppingExecutor
  readonly #deathsBefore: number
  #engine: StorageEngine | undefined
  #ending: Promise<void>
  /** Names of what was begun and has not ended. */
  readonly #begun = new Set<{ readonly what: string }>()
  /** Names of files that are being removed: nobody needs them. */
  readonly #leaving = new Set<string>()

  constructor(parts: LifeParts) {
    const { world, machine, random, options, counts } = parts
    this.#parts = parts
    this.world = world
    this.machine = machine
    this.options = options
    this.files = new ProcessFiles(machine, parts.lie)
    this.#deathsBefore = counts.deaths
    machine.setPace(world.pace)
    machine.watch(({ kind, path }) => {
      if (kind === 'remove') this.#leaving.add(basename(path))
    })
    this.#executor = new SteppingExecutor({
      world,
      random,
      files: this.files,
      disk: machine.disk,
      workers: options.workers,
      kernels: (heap) => kernelsOf(heap.memory),
      counts,
      deathsOneIn: parts.deathsOneIn,
      believesTheDead: parts.believesTheDead,
      disagreed: (what) => parts.failed(what),
    })
    this.#ending = this.#open()
    this.follow('open', this.#ending)
  }

  get engine(): StorageEngine {
    if (this.#engine === undefined) throw new Error('the database is open')
    return this.#engine
  }

  get begun(): number {
    return this.#begun.size
  }

  /** Follows what was begun; what it brings after the end of this process is nobody's. */
  follow<T>(
    what: string,
    work: Promise<T>,
    done?: (value: T) => void,
    refused?: (error: unknown) => void,
  ): void {
    const entry = { what }
    this.#begun.add(entry)
    const ended =
      (then: () => void): (() => void) =>
      () => {
        this.#begun.delete(entry)
        if (this.stage === 'ended') return
        try {
          then()
        } catch (error) {
          this.#parts.failed(`${what}: the answer`, error)
        }
      }
    work.then(
      (value) => ended(() => done?.(value))(),
      (error: unknown) =>
        ended(() => {
          this.judge(what, error)
          refused?.(error)
        })(),
    )
  }

  /** Whether an error may be. */
  judge(what: string, error: unknown): string {
    const code = error instanceof Error && 'code' in error ? String(error.code) : 'none'
    if (code === 'SETT_POISONED') this.poisoned = true
    const deaths = this.#parts.counts.deaths > this.#deathsBefore
    const expected =
      (this.troubled && TROUBLES.has(code)) ||
      (deaths && code === 'SETT_WORKER_FAILED') ||
      (this.stage === 'closing' && (code === 'LEVEL_DATABASE_NOT_OPEN' || code === 'SETT_BUSY'))
    if (!expected) this.#parts.failed(`${what} failed`, error)
    return code
  }

  /** Lets things happen until `done`. Fails when nothing is left that could happen, or it takes for ever. */
  async until(what: string, done: () => boolean, eventsMost: number = EVENTS_MOST): Promise<void> {
    for (let events = 0; !done(); events++) {
      if (events > eventsMost) throw new Error(`${what}: no end after ${events} events`)
      if (await this.world.release()) continue
      if (done()) return
      const waiting = [...this.#begun].map((entry) => entry.what)
      throw new Error(`${what} hangs; nothing is due, and these have not ended: ${waiting}`)
    }
  }

  /** All that was begun ends. */
  async allEnded(): Promise<void> {
    await this.until('what was begun', () => this.#begun.size === 0)
  }

  close(done: () => void): void {
    this.stage = 'closing'
    this.#ending = this.engine.close()
    this.follow('close', this.#ending, done, done)
  }

  /** The process ends at once. What is left of it is taken apart on a disk that answers nothing, and must end, too. */
  async kill(): Promise<void> {
    const opened = this.#engine
    this.stage = 'ended'
    this.files.die()
    this.world.bury()
    this.#executor.die()
    let gone = false
    const end = (): void => {
      gone = true
    }
    const closing = opened === undefined ? this.#ending : opened.close()
    closing.then(end, end)
    await this.until('closing without a disk', () => gone)
    await this.allEnded()
  }

  /** The bytes of every file, as running programs see them. */
  digest(): string {
    const hash = createHash('sha1')
    const image = this.machine.image({ rule: 'ext4', survives: () => 'all' })
    for (const path of [...image.keys()].sort()) hash.update(path).update(image.get(path)!)
    return hash.digest('hex')
  }

  /** A sync commit is acked: nothing of any log may be only in the cache. */
  checkLogsDurable(): void {
    const { disk } = this.machine
    const directory = disk.names.get(Disk.root)?.get(DIRECTORY.slice(1))
    const waiting = new Set(disk.pending('strict').map(({ file, kind }) => `${kind} ${file}`))
    for (const [name, id] of disk.names.get(directory ?? -1) ?? []) {
      if (parseFileName(name)?.kind !== 'wal' || this.#leaving.has(name)) continue
      const content = disk.files.get(id)!
      if (content.length <= FILE_HEADER_BYTES) continue
      const durable = content.image(() => 'none')
      const lacks = content.pending.some(
        // Zeros that were cut off may come back.
        ({ kind, end }) => kind === 'write' || durable.subarray(end).some((byte) => byte !== 0),
      )
      if (lacks || waiting.has(`create ${id}`)) {
        this.#parts.failed(`a sync commit is acked while ${name} is only in the cache`)
      }
    }
  }

  async #open(): Promise<void> {
    const { world, options, random } = this.#parts
    const fill = (target: Uint8Array): void => {
      for (let i = 0; i < target.length; i++) target[i] = random.below(256)
    }
    const given = {
      fs: this.files,
      clock: world.clock,
      random: { fill },
      logger: this.#logger(),
      kernels: kernelsOf,
      executor: this.#executor,
      // As many parts as workers, of a few blocks each.
      splitting: { least: 8192, most: 65_536, lanes: options.workers },
    }
    const engine = await openEngine(DIRECTORY, options, given)
    this.#engine = engine
    if (this.stage === 'ended') await engine.close()
    else this.stage = 'open'
  }

  /** Without a reason the engine has nothing to complain about. */
  #logger(): Logger {
    const error = (fields: object, message: string): void => {
      if (message.includes('read-only from here on')) this.poisoned = true
      if (this.stage !== 'ended' && 'err' in fields) this.judge('a background job', fields.err)
    }
    return { debug: ignore, info: ignore, warn: ignore, error }
  }
}

const ignore = (): void => undefined

const instances = new WeakMap<HeapMemory, Kernels>()

/** Heaps are used again, and instantiating the kernels is what an open costs most. */
function kernelsOf(memory: HeapMemory): Kernels {
  let kernels = instances.get(memory)
  if (kernels === undefined) {
    kernels = wasmKernels(memory)
    instances.set(memory, kernels)
  }
  return kernels
}
