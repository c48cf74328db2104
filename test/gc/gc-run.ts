// One short life of a database whose values lie in segments, with a collection of garbage at every step, beside a map
// that says what is there. It is killed, loses its power, and goes on. Everything follows from the seed.
import { resolveOptions } from '../../src/base/options.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import type { Pin, RangeReader } from '../../src/engine/types.ts'
import { parseFileName } from '../../src/io/file-names.ts'
import { DIRECTORY } from '../crash/check.ts'
import { kernelsOf, turnClock, turns } from '../crash/session.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { type Prng, prng } from '../model/prng.ts'

const KIB = 1024
const THRESHOLD = 64
const STEPS = 24
const KEYS = 10
const HELD_MOST = 3
const TICK_MS = 1_000
/** Header of a part; a value is padded to a multiple of eight. */
const PART_HEADER = 32
/** Header and footer of a segment. */
const SEGMENT_OVERHEAD = 192

interface Row {
  readonly value: string
  /** Infinity: never. */
  readonly expiresAt: number
}

type Rows = ReadonlyMap<string, Row>

interface Held {
  readonly pin: Pin
  readonly rows: Rows
  /** What is left of an iterator that was begun then. */
  readonly reader: RangeReader
  readonly expected: readonly (readonly [string, string])[]
  at: number
}

export interface GcCounts {
  runs: number
  steps: number
  crashes: number
  calls: number
  collections: number
  segmentsFreed: number
  answers: number
}

export function noCounts(): GcCounts {
  const counts = { runs: 0, steps: 0, crashes: 0, calls: 0 }
  return { ...counts, collections: 0, segmentsFreed: 0, answers: 0 }
}

export class GcFailure extends Error {
  readonly seed: number

  constructor(seed: number, trail: readonly string[], cause: unknown) {
    const reason = cause instanceof Error ? (cause.stack ?? cause.message) : String(cause)
    super(`seed ${seed}, after ${trail.join(', ')}: ${reason}`, { cause })
    this.seed = seed
  }
}

/** Throws a GcFailure. */
export async function runGc(seed: number, counts: GcCounts): Promise<void> {
  const run = new GcRun(seed, counts)
  try {
    await run.live()
  } catch (error) {
    throw new GcFailure(seed, run.trail, error)
  }
}

class GcRun {
  readonly trail: string[] = []
  readonly #random: Prng
  readonly #salts: Prng
  readonly #counts: GcCounts
  readonly #options: ReturnType<typeof resolveOptions>
  #fs = new FaultFileSystem()
  #engine!: StorageEngine
  #rows = new Map<string, Row>()
  #held: Held[] = []
  #wall = 1e12
  #value = 0
  /** Nobody waits for it; it is judged when it has ended. */
  #behind: Promise<unknown> = Promise.resolve()

  constructor(seed: number, counts: GcCounts) {
    this.#random = prng(seed, 1)
    this.#salts = prng(seed, 2)
    this.#counts = counts
    this.#options = optionsOf(prng(seed, 3))
  }

  async live(): Promise<void> {
    await this.#open()
    for (let step = 0; step < STEPS; step += 1) {
      await this.#step()
      await this.#collect()
      this.#check()
      this.#counts.steps += 1
    }
    await this.#end()
    this.#counts.runs += 1
  }

  async #step(): Promise<void> {
    const draw = this.#random.below(100)
    if (draw < 52) return this.#write()
    if (draw < 56) return this.#do('flush', () => this.#engine.flush())
    if (draw < 66) return this.#do('compact', () => this.#engine.compactRange(undefined, undefined))
    if (draw < 72) return this.#do('settle', () => this.#engine.settle())
    if (draw < 80) return this.#hold()
    if (draw < 86) return this.#letGo()
    if (draw < 92) {
      this.#wall += TICK_MS * (1 + this.#random.below(4))
      return
    }
    await this.#crash()
  }

  async #do(what: string, work: () => Promise<void>): Promise<void> {
    this.trail.push(what)
    await work()
  }

  async #write(): Promise<void> {
    const random = this.#random
    const puts = 1 + random.below(8)
    this.trail.push(`write ${puts}`)
    for (let i = 0; i < puts; i += 1) {
      const key = `key ${random.below(KEYS)}`
      if (random.chance(0.25)) {
        this.#rows.delete(key)
        await this.#engine.del(key, {})
        continue
      }
      const ttl = random.chance(0.2) ? TICK_MS * (1 + random.below(6)) : undefined
      const value = this.#nextValue()
      const expiresAt = ttl === undefined ? Number.POSITIVE_INFINITY : this.#wall + ttl
      this.#rows.set(key, { value, expiresAt })
      await this.#engine.put(key, value, ttl === undefined ? {} : { ttl })
    }
    if (random.chance(0.6)) await this.#do('flush', () => this.#engine.flush())
  }

  /** Some below the threshold, most above it, no two alike. */
  #nextValue(): string {
    const random = this.#random
    this.#value += 1
    const length = random.chance(0.2) ? random.below(THRESHOLD) : random.below(2_000)
    const bytes = Buffer.alloc(Math.ceil((length * 3) / 4))
    for (let i = 0; i < bytes.length; i += 1) bytes[i] = random.below(256)
    return `${this.#value} ${bytes.toString('base64').slice(0, length)}`
  }

  /** Of everything that can be collected; now and then it is left running. */
  async #collect(): Promise<void> {
    const ratio = this.#random.chance(0.7) ? 0 : 0.3
    const engine = this.#engine
    this.#counts.calls += 1
    await this.#behind
    const work = engine.collectGarbage(ratio).then(({ segments }) => {
      for (const { reason, number } of segments) {
        if (reason === undefined || reason === 'pinned') this.#counts.segmentsFreed += 1
        if (reason === 'damaged') throw new Error(`segment ${number} is said to be damaged`)
      }
    })
    if (this.#random.chance(0.5)) await work
    else {
      this.#behind = work
      work.catch(() => undefined)
      await turns(this.#random.below(8))
    }
  }

  #hold(): void {
    if (this.#held.length >= HELD_MOST) this.#letGo()
    this.trail.push('hold')
    const pin = this.#engine.pin()
    const rows = new Map(this.#rows)
    const reader = this.#range(pin)
    this.#held.push({ pin, rows, reader, expected: shown(rows, pin.now), at: 0 })
  }

  #letGo(): void {
    this.trail.push('let go')
    const [held] = this.#held.splice(this.#random.below(this.#held.length), 1)
    held?.pin.release()
  }

  #range({ version, now }: { readonly version: number; readonly now: number }): RangeReader {
    const forms = { keyForm: 'utf8', valueForm: 'utf8' } as const
    return this.#engine.range({ keys: true, values: true, ...forms, version, now })
  }

  /** Everything a reader sees now, and what those see that began before. */
  #check(): void {
    for (let i = 0; i < KEYS; i += 1) {
      const key = `key ${i}`
      this.#compare(
        key,
        this.#engine.getSync(key, undefined, 'utf8'),
        at(this.#rows, key, this.#wall),
      )
      for (const { pin, rows } of this.#held) {
        this.#compare(`${key} then`, this.#engine.getSync(key, pin, 'utf8'), at(rows, key, pin.now))
      }
    }
    for (const held of this.#held) {
      const count = 1 + this.#random.below(4)
      const page = held.reader.next(count)
      const expected = held.expected.slice(held.at, held.at + count)
      held.at += expected.length
      this.#compare('a page', JSON.stringify(page), JSON.stringify(expected))
    }
    const all = this.#range({ version: this.#engine.version, now: this.#wall }).next(KEYS + 1)
    this.#compare('all', JSON.stringify(all), JSON.stringify(shown(this.#rows, this.#wall)))
  }

  #compare(what: string, found: unknown, expected: unknown): void {
    this.#counts.answers += 1
    if (found === expected) return
    const brief = (value: unknown): string => String(value).slice(0, 80)
    throw new Error(`${what} is ${brief(found)}, but should be ${brief(expected)}`)
  }

  /** In the middle of whatever is under way. */
  async #crash(): Promise<void> {
    const random = this.#random
    const kill = random.chance(0.5)
    this.trail.push(kill ? 'kill' : 'power cut')
    this.#counts.crashes += 1
    const work = this.#engine.collectGarbage(0)
    work.catch(() => undefined)
    await turns(random.below(12))
    const before = this.#engine
    const old = this.#fs
    const survives = (): 'all' | 'none' => (random.chance(0.5) ? 'all' : 'none')
    this.#fs = kill
      ? old.afterKill()
      : new FaultFileSystem({ files: old.image({ rule: 'ext4', survives }) })
    this.#held = []
    await this.#open()
    // It goes on where nobody sees it; its heap is wanted back.
    await this.#behind.catch(() => undefined)
    this.#behind = Promise.resolve()
    this.#counts.collections += before.stats().collections
    await before.close()
  }

  async #open(): Promise<void> {
    const clock = turnClock()
    const fill = (target: Uint8Array): void => {
      for (let i = 0; i < target.length; i += 1) target[i] = this.#salts.below(256)
    }
    this.#engine = await openEngine(DIRECTORY, this.#options, {
      fs: this.#fs,
      clock: { ...clock, wallMs: () => this.#wall },
      random: { fill },
      kernels: kernelsOf,
      logger: { debug: nothing, info: nothing, warn: nothing, error: complain },
    })
  }

  /** Nothing is left but what is live, in the files and in the directory. */
  async #end(): Promise<void> {
    await this.#behind
    for (const { pin } of this.#held.splice(0)) pin.release()
    const engine = this.#engine
    // Versions that a reader made a merge keep, no table tells of: a merge has to meet them.
    for (const key of ['key', 'key ~']) await engine.put(key, '', {})
    await engine.compactRange(undefined, undefined)
    for (const key of ['key', 'key ~']) await engine.del(key, {})
    await engine.compactRange(undefined, undefined)
    await engine.collectGarbage(0)
    this.#check()
    const report = await engine.verify({})
    if (!report.ok) throw new Error(`verify: ${JSON.stringify(report.problems[0])}`)
    const { segments, collections } = engine.stats()
    this.#counts.collections += collections
    const bytes = segments.bytes - SEGMENT_OVERHEAD * segments.count
    const live = [...this.#rows.values()].filter(({ expiresAt }) => expiresAt > this.#wall)
    const most = live.reduce((sum, { value }) => sum + storedAtMost(value.length), 0)
    if (bytes !== segments.liveBytes) throw new Error(`${bytes} bytes, ${segments.liveBytes} used`)
    if (segments.liveBytes > most) throw new Error(`${segments.liveBytes} used, ${most} are live`)
    await engine.close()
    const there = this.#fs
      .listSync(DIRECTORY)
      .filter((name) => parseFileName(name)?.kind === 'vlog')
    if (there.length !== segments.count) throw new Error(`${there} are left of ${segments.count}`)
  }
}

function storedAtMost(length: number): number {
  return length < THRESHOLD ? 0 : PART_HEADER + 8 * Math.ceil(length / 8)
}

function at(rows: Rows, key: string, now: number): string | undefined {
  const row = rows.get(key)
  return row === undefined || row.expiresAt <= now ? undefined : row.value
}

function shown(rows: Rows, now: number): [string, string][] {
  const keys = [...rows.keys()].filter((key) => at(rows, key, now) !== undefined)
  return keys.sort().map((key) => [key, at(rows, key, now)!])
}

function nothing(): void {
  // Nobody reads it.
}

function complain(fields: object, message: string): void {
  throw new Error(`${message} ${'err' in fields ? String(fields.err) : ''}`)
}

function optionsOf(random: Prng): ReturnType<typeof resolveOptions> {
  return resolveOptions(
    {
      workers: 0,
      memtableSize: 64 * KIB,
      memoryBudget: 8 * KIB * KIB,
      blockCacheSize: 256 * KIB,
      indexCacheSize: 256 * KIB,
      durability: 'sync',
      blockSize: 512,
      tableSize: 16 * KIB,
      l0CompactTrigger: 1 + random.below(3),
      compression: random.chance(0.5) ? 'none' : 'lz4',
      valueThreshold: THRESHOLD,
      segmentSize: 64 * KIB,
      segmentMaxEntries: 1 + random.below(6),
    },
    {},
  )
}
