// Random writes with and without expiry, snapshots, iterators, flushes, compactions and reopens, on a clock of the
// test's own: after every step every key reads, at every snapshot and now, as a list of all commits says.
import { expect, it } from 'vitest'
import { resolveOptions } from '../../../../src/base/options.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import type { Pin, RangeReader, ReadPoint, WriteOperation } from '../../../../src/engine/types.ts'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import { type Prng, prng } from '../../../model/prng.ts'
import { HandClock } from './hand-clock.ts'

const SEEDS = Number(process.env['SETT_EXPIRY_SEEDS'] ?? 12)
const STEPS = 120
const KEYS = Array.from({ length: 9 }, (_, i) => `key ${i}`)
const FORM = { keys: true, values: true, keyForm: 'utf8', valueForm: 'utf8' } as const
const OPTIONS = resolveOptions({
  workers: 0,
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  durability: 'none',
  l0CompactTrigger: 2,
  scanPageSize: 3,
})

interface Written {
  readonly version: number
  readonly value: string | undefined
  readonly expiresAt: number
}

interface Reading {
  readonly pin: Pin
  readonly source: RangeReader
  readonly expected: string[][]
  at: number
}

class Run {
  readonly #random: Prng
  readonly #fs = memoryFileSystem()
  readonly #clock = new HandClock(1_700_000_000_000)
  readonly #history = new Map<string, Written[]>(KEYS.map((key) => [key, []]))
  readonly #pins: Pin[] = []
  #reading: Reading | undefined
  #engine!: StorageEngine
  #number = 0
  readonly seen: Set<string> = new Set()

  constructor(seed: number) {
    this.#random = prng(seed, 0)
  }

  async run(): Promise<void> {
    await this.#open()
    for (let step = 0; step < STEPS; step++) {
      await this.#step()
      this.#check(undefined, { version: this.#engine.version, now: this.#clock.wall })
      for (const pin of this.#pins) this.#check(pin, pin)
      this.#readOn(2)
    }
    await this.#engine.close()
  }

  async #open(): Promise<void> {
    this.#engine = await openEngine('/db', OPTIONS, { fs: this.#fs, clock: this.#clock })
  }

  async #step(): Promise<void> {
    const random = this.#random
    const kind = random.below(20)
    if (kind < 8) await this.#write(1 + (kind < 3 ? random.below(4) : 0))
    else if (kind < 11) this.#clock.pass(random.below(40))
    else if (kind === 11) this.#pins.push(this.#engine.pin())
    else if (kind === 12) this.#pins.splice(random.below(4), 1)[0]?.release()
    else if (kind === 13) this.#beginReading()
    else if (kind < 16) await this.#engine.flush()
    else if (kind === 16) await this.#engine.settle()
    else if (kind < 19) await this.#engine.compactRange(this.#bound(), undefined)
    else if (random.chance(0.3)) await this.#reopen()
    if (this.#pins.length > 5) this.#pins.shift()!.release()
  }

  #bound(): string | undefined {
    return this.#random.chance(0.7) ? undefined : KEYS[this.#random.below(KEYS.length)]
  }

  async #write(count: number): Promise<void> {
    const random = this.#random
    const operations: WriteOperation[] = Array.from({ length: count }, () => {
      const key = KEYS[random.below(KEYS.length)]!
      if (random.chance(0.2)) return { type: 'del', key }
      const value = `${this.#number++} ${'x'.repeat(random.chance(0.05) ? 9_000 : 10)}`
      return random.chance(0.5)
        ? { type: 'put', key, value, ttl: 1 + random.below(60) }
        : { type: 'put', key, value }
    })
    const ttl = random.chance(0.3) ? 1 + random.below(60) : undefined
    await this.#engine.batch(operations, ttl === undefined ? {} : { ttl })
    const { version } = this.#engine
    for (const operation of operations) {
      const own = operation.type === 'put' ? (operation.ttl ?? ttl) : undefined
      const expiresAt = own === undefined ? Number.POSITIVE_INFINITY : this.#clock.wall + own
      const value = operation.value as string | undefined
      const versions = this.#history.get(operation.key as string)!
      // Of a key written twice in one commit the last counts.
      if (versions.at(-1)?.version === version) versions.pop()
      versions.push({ version, value, expiresAt })
    }
  }

  async #reopen(): Promise<void> {
    for (const pin of this.#pins.splice(0)) pin.release()
    this.#reading = undefined
    await this.#engine.close()
    await this.#open()
  }

  #model(key: string, at: ReadPoint): Written | undefined {
    const newest = this.#history.get(key)!.findLast(({ version }) => version <= at.version)
    if (newest?.value === undefined || newest.expiresAt <= at.now) return undefined
    return newest
  }

  #rows(at: ReadPoint): string[][] {
    return KEYS.flatMap((key) => {
      const found = this.#model(key, at)
      return found === undefined ? [] : [[key, found.value!]]
    })
  }

  #check(pin: Pin | undefined, at: ReadPoint): void {
    for (const key of KEYS) {
      const wanted = this.#model(key, at)
      expect(this.#engine.getSync(key, pin, 'utf8')).toBe(wanted?.value)
      expect(this.#engine.hasSync(key, pin)).toBe(wanted !== undefined)
      const entry = this.#engine.getEntry(key, pin, 'utf8', 'utf8')
      const { expiresAt = Number.POSITIVE_INFINITY } = entry ?? {}
      expect([entry?.version, expiresAt]).toEqual([
        wanted?.version,
        wanted?.expiresAt ?? Number.POSITIVE_INFINITY,
      ])
      this.#note(key, wanted, at)
    }
    const reverse = this.#random.chance(0.5)
    const { version } = at
    const now = pin === undefined ? {} : { now: at.now }
    const rows = this.#engine.range({ ...FORM, version, ...now, reverse }).next(100)
    expect(reverse ? rows.reverse() : rows).toEqual(this.#rows(at))
  }

  /** What a run must have met to prove anything. */
  #note(key: string, wanted: Written | undefined, at: ReadPoint): void {
    const newest = this.#history.get(key)!.findLast(({ version }) => version <= at.version)
    if (newest?.value !== undefined && wanted === undefined) this.seen.add('expired')
    if (wanted !== undefined && wanted.expiresAt <= this.#clock.wall) this.seen.add('kept in sight')
    if (this.#engine.stats().levels[6]!.tables > 0) this.seen.add('last level')
  }

  /** An iterator: what expires while it is read stays in its sight. */
  #beginReading(): void {
    const pin = this.#engine.pin()
    const source = this.#engine.range({ ...FORM, version: pin.version, now: pin.now })
    this.#reading?.pin.release()
    this.#reading = { pin, source, expected: this.#rows(pin), at: 0 }
  }

  #readOn(count: number): void {
    const reading = this.#reading
    if (reading === undefined) return
    const { source, expected } = reading
    if (this.#random.chance(0.3)) {
      const target = KEYS[this.#random.below(KEYS.length)]!
      source.seek(target)
      const found = expected.findIndex(([key]) => key! >= target)
      reading.at = found < 0 ? expected.length : found
    }
    expect(source.next(count)).toEqual(expected.slice(reading.at, reading.at + count))
    reading.at += count
  }
}

it(`equals the model, seeds 1 to ${SEEDS}`, async () => {
  const seen = new Set<string>()
  for (let seed = 1; seed <= SEEDS; seed++) {
    const run = new Run(seed)
    await run.run().catch((error: unknown) => {
      throw new Error(`seed ${seed}: ${error instanceof Error ? error.message : error}`, {
        cause: error,
      })
    })
    for (const what of run.seen) seen.add(what)
  }
  expect([...seen].sort()).toEqual(['expired', 'kept in sight', 'last level'])
}, 120_000)
