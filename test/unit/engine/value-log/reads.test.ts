// Reads of a database most of whose values lie in segments, against a map: points and scans, at snapshots, while
// flushes and compactions move the values.
import { expect, it } from 'vitest'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import type { Data, DataForm, Pin, RangeOptions } from '../../../../src/engine/types.ts'
import type { FileSystem } from '../../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import { prng } from '../../../model/prng.ts'
import { halfNoise } from '../../../support/half-noise.ts'
import { start } from '../../../support/small-engine.ts'

const KEYS = 300
const FORMS: readonly DataForm[] = ['buffer', 'view', 'utf8']
const keyOf = (i: number): string => `key ${String(i).padStart(4, '0')}`
const text = (data: Data | undefined): string | undefined =>
  data === undefined ? undefined : Buffer.from(data as Uint8Array).toString()

type Content = ReadonlyMap<string, string>

class Life {
  readonly #engine: StorageEngine
  readonly #now = new Map<string, string>()
  readonly #random: (below: number) => number
  readonly #snapshots: { readonly pin: Pin; readonly content: Content }[] = []

  constructor(engine: StorageEngine, random: (below: number) => number) {
    this.#engine = engine
    this.#random = random
  }

  async write(count: number): Promise<void> {
    const done: Promise<void>[] = []
    for (let i = 0; i < count; i++) {
      const key = keyOf(this.#random(KEYS))
      if (this.#random(5) === 0) {
        this.#now.delete(key)
        done.push(this.#engine.del(key, {}))
      } else {
        const value = halfNoise(this.#length(), this.#random(1e9))
        this.#now.set(key, value)
        done.push(this.#engine.put(key, value, {}))
      }
    }
    await Promise.all(done)
  }

  snapshot(): void {
    this.#snapshots.push({ pin: this.#engine.pin(), content: new Map(this.#now) })
    if (this.#snapshots.length > 3) this.#snapshots.shift()!.pin.release()
  }

  async check(): Promise<void> {
    await this.#checkAt(undefined, this.#now)
    for (const { pin, content } of this.#snapshots) await this.#checkAt(pin, content)
  }

  reopened(engine: StorageEngine): Life {
    const life = new Life(engine, this.#random)
    for (const [key, value] of this.#now) life.#now.set(key, value)
    return life
  }

  end(): void {
    for (const { pin } of this.#snapshots) pin.release()
  }

  #length(): number {
    const kind = this.#random(20)
    if (kind < 6) return this.#random(60)
    if (kind < 18) return 64 + this.#random(3_000)
    return kind === 18 ? this.#random(20_000) : 60_000 + this.#random(200_000)
  }

  async #checkAt(pin: Pin | undefined, content: Content): Promise<void> {
    const engine = this.#engine
    for (let i = 0; i < 40; i++) {
      const key = keyOf(this.#random(KEYS + 5))
      const form = FORMS[this.#random(3)]!
      const value = content.get(key)
      expect(text(engine.getSync(key, pin, form))).toBe(value)
      expect(text(await engine.get(key, pin, form))).toBe(value)
      expect(text(engine.getEntry(key, pin, 'utf8', form)?.value)).toBe(value)
      expect(engine.hasSync(key, pin)).toBe(value !== undefined)
      const source = await engine.openValue(key, pin, { start: 0, end: 1e9 })
      expect(source?.length).toBe(value?.length)
      source?.close()
    }
    for (let i = 0; i < 4; i++) this.#checkScan(pin ?? { version: engine.version }, content)
  }

  #checkScan(at: { readonly version: number; readonly now?: number }, content: Content): void {
    const random = this.#random
    const low = keyOf(random(KEYS))
    const high = keyOf(random(KEYS))
    const reverse = random(2) === 0
    const values = random(3) > 0
    const form = FORMS[random(3)]!
    const range = { keys: true, values, keyForm: form, valueForm: form, reverse, ...at }
    const bounds: Partial<RangeOptions> = random(3) === 0 ? {} : { gte: low, lt: high }
    const reader = this.#engine.range({ ...range, ...bounds })
    const inside = (key: string): boolean => bounds.gte === undefined || (key >= low && key < high)
    let wanted = [...content].filter(([key]) => inside(key)).sort(([a], [b]) => (a < b ? -1 : 1))
    if (reverse) wanted.reverse()
    if (random(3) === 0) {
      const from = keyOf(random(KEYS))
      reader.seek(from)
      wanted = wanted.filter(([key]) => (reverse ? key <= from : key >= from))
    }
    const found: (readonly [string | undefined, string | undefined])[] = []
    for (;;) {
      const page = reader.next(1 + random(80))
      if (page.length === 0) break
      for (const [key, value] of page) found.push([text(key), text(value)])
      // Another reader takes the merge away in between.
      if (random(4) === 0) this.#engine.range({ ...range, reverse: !reverse }).next(3)
    }
    expect(found).toEqual(wanted.map(([key, value]) => [key, values ? value : undefined]))
  }
}

const MODES: readonly (readonly [string, object])[] = [
  ['LZ4', { compression: 'lz4' }],
  ['no compression', { compression: 'none', segmentMaxEntries: 20 }],
  ['small segments', { segmentSize: 65_536, scanPageSize: 7 }],
]

async function live(fs: FileSystem, options: object, seed: number): Promise<void> {
  const random = prng(seed).below
  const all = { valueThreshold: 64, durability: 'none', tableSize: 32_768, ...options }
  const engine = await start(fs, all)
  const life = new Life(engine, random)
  for (let round = 0; round < 8; round++) {
    await life.write(60)
    if (round % 3 === 0) life.snapshot()
    await life.check()
    if (round % 4 === 1) await engine.flush()
    if (round % 4 === 3) await engine.compactRange(undefined, undefined)
    await life.check()
  }
  life.end()
  await engine.close()
  const again = await start(fs, { ...all, readOnly: true })
  await life.reopened(again).check()
  await again.close()
}

it.each(MODES)('reads are as those of a map: %s', async (_, options) => {
  const fs = memoryFileSystem()
  await live(fs, options, 1)
  expect(fs.listSync('/db').some((name) => name.endsWith('.vlog'))).toBe(true)
})
