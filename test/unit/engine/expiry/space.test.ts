// The bound on space where tables mix what expires with what does not: once the database is at rest all files take at
// most 1.5 × what is live, though nobody calls anything.
import { expect, it } from 'vitest'
import { prng, seededBytes } from '../../../model/prng.ts'
import { BenchEngine, key } from '../../option-effects/bench-engine.ts'

const KIB = 1_024
const BOUND = 1.5
const TTL = 100_000
/** Its clock stops whenever nothing passes. */
const BASE = { idleAfter: 1_000, durability: 'none' }

interface Load {
  readonly keys: number
  readonly bytes: number
  /** Of 100 keys. */
  readonly expiring: number
  /** Times to live are so long at least, and at most twice that. */
  readonly ttl: number
}

function fileBytes({ fs }: BenchEngine): number {
  return fs.listSync('/db').reduce((sum, name) => sum + fs.statSync(`/db/${name}`)!.size, 0)
}

/** Puts every key, in random order; returns the bytes of those that never expire. */
async function fill(bench: BenchEngine, { keys, bytes, expiring, ttl }: Load): Promise<number> {
  const random = prng(11)
  let live = 0
  for (let i = 0; i < keys; i++) {
    const name = key((i * 7_919) % keys)
    const expires = random.below(100) < expiring
    const value = seededBytes(i, bytes)
    await bench.engine.put(name, value, expires ? { ttl: ttl + random.below(ttl) } : {})
    if (!expires) live += name.length + bytes
  }
  return live
}

/** Time passes; nobody calls anything. */
async function rest(bench: BenchEngine, ms: number): Promise<void> {
  const step = Math.max(1_000, ms / 10)
  for (let passed = 0; passed < ms; passed += step) {
    await bench.clock.passAndHold(step)
    await bench.turns()
  }
}

it.each<[string, object, Load]>([
  ['in segments', { valueThreshold: 512 }, { keys: 900, bytes: 4 * KIB, expiring: 40, ttl: TTL }],
  ['in tables', {}, { keys: 6_000, bytes: 400, expiring: 40, ttl: TTL }],
  ['packed in tables', { compression: 'lz4' }, { keys: 6_000, bytes: 400, expiring: 40, ttl: TTL }],
])('holds once entries among others have expired, values %s', async (_, options, load) => {
  const bench = await BenchEngine.still({ ...BASE, ...options })
  const live = await fill(bench, load)
  await rest(bench, TTL - 20_000)
  expect(fileBytes(bench)).toBeGreaterThan(BOUND * live)
  await rest(bench, TTL + 60_000)
  expect(fileBytes(bench)).toBeLessThanOrEqual(BOUND * live)
  const { compactions, collections } = bench.engine.stats()
  await rest(bench, 100_000)
  // There is an end to it.
  expect(bench.engine.stats()).toMatchObject({ compactions, collections })
  await bench.close()
})

it('holds once the reader has gone for whom they were kept', async () => {
  const load = { keys: 900, bytes: 4 * KIB, expiring: 40, ttl: TTL }
  const bench = await BenchEngine.still({ ...BASE, valueThreshold: 512 })
  const live = await fill(bench, load)
  const pin = bench.engine.pin()
  await rest(bench, 3 * TTL)
  expect(fileBytes(bench)).toBeGreaterThan(BOUND * live)
  const { compactions, collections } = bench.engine.stats()
  await rest(bench, TTL)
  expect(bench.engine.stats()).toMatchObject({ compactions, collections })
  pin.release()
  await rest(bench, TTL)
  expect(fileBytes(bench)).toBeLessThanOrEqual(BOUND * live)
  await bench.close()
})

it('holds for what was flushed, overwritten and left in the log together', async () => {
  const bench = await BenchEngine.still({ ...BASE, valueThreshold: 512, memtableSize: 512 * KIB })
  const random = prng(5)
  const keys = 700
  const lives = new Map<number, number>()
  for (let i = 0; i < 5 * keys; i++) {
    const number = random.below(keys)
    const ttl = random.below(100) < 15 ? 1_000 + random.below(4_000) : 0
    const length = [400, 1_024, 4_096, 16_384][random.below(4)]!
    await bench.engine.put(key(number), seededBytes(i, length), ttl > 0 ? { ttl } : {})
    lives.set(number, ttl > 0 ? 0 : length + key(number).length)
    if (i % 20 === 0) await bench.clock.passAndHold(20)
  }
  const live = [...lives.values()].reduce((sum, bytes) => sum + bytes, 0)
  await rest(bench, 60_000)
  expect(fileBytes(bench)).toBeLessThanOrEqual(BOUND * live)
  await bench.close()
})
