// Time to live: what is written with a `ttl` is gone for every kind of read once it has passed, and not before.
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Database } from '../../src/api/database.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const NOW = 1_750_000_000_000
const OPTIONS = { inMemory: true, workers: 0 } as const

let database: Database

beforeEach(async () => {
  // Date alone: the event loop and the durations go on as they are.
  vi.useFakeTimers({ toFake: ['Date'], now: NOW })
  database = new Database('memory', OPTIONS)
  await database.open()
})

afterEach(async () => {
  vi.useRealTimers()
  await database.close()
})

const pass = (ms: number): unknown => vi.setSystemTime(Date.now() + ms)
const expiry = (key: string): number | undefined => database.getEntry(key)?.expiresAt

/** What every kind of read says of the keys a, b and c. */
async function allReads(): Promise<string[]> {
  const keys = ['a', 'b', 'c']
  const entries = await database.iterator().all()
  const sorts = [
    await Promise.all(keys.map((key) => database.get(key))),
    keys.map((key) => database.getSync(key)),
    await database.getMany(keys),
    keys.map((key) => database.getEntry(key)?.value),
    keys.map((key) => entries.find(([found]) => found === key)?.[1]),
  ].map((found) => found.map(String).join(' '))
  const there = keys.filter((_, i) => sorts[0]!.split(' ')[i] !== 'undefined')
  expect(await database.keys().all()).toEqual(there)
  expect(await database.keys({ reverse: true }).all()).toEqual(there.toReversed())
  expect(await database.values().all()).toEqual(entries.map(([, value]) => value))
  expect(await Promise.all(keys.map((key) => database.has(key)))).toEqual(
    keys.map((key) => there.includes(key)),
  )
  expect(await database.hasMany(keys)).toEqual(keys.map((key) => there.includes(key)))
  expect(new Set(sorts).size).toBe(1)
  return [...new Set(sorts)]
}

describe('a time to live', () => {
  it('ends for every kind of read at once', async () => {
    await database.put('a', '1', { ttl: 1_000 })
    await database.put('b', '2')
    await database.put('c', '3', { ttl: 2_000 })
    expect([expiry('a'), expiry('b'), expiry('c')]).toEqual([NOW + 1_000, undefined, NOW + 2_000])
    for (const where of ['memory', 'a table', 'the last level']) {
      expect(await allReads(), where).toEqual(['1 2 3'])
      if (where === 'memory') await database.flush()
      else await database.compactRange()
    }
    pass(999)
    expect(await allReads()).toEqual(['1 2 3'])
    pass(1)
    expect(await allReads()).toEqual(['undefined 2 3'])
    await database.compactRange()
    expect(await allReads()).toEqual(['undefined 2 3'])
    pass(1_000)
    expect(await allReads()).toEqual(['undefined 2 undefined'])
    await database.clear()
    await database.compactRange()
    expect(database.stats().levels.every(({ tables }) => tables === 0)).toBe(true)
  })

  it('is that of the newest write: an older value never comes back', async () => {
    await database.put('a', 'old')
    await database.flush()
    await database.put('a', 'brief', { ttl: 10 })
    pass(10)
    expect(database.getSync('a')).toBeUndefined()
    await database.flush()
    await database.compactRange()
    expect(database.getSync('a')).toBeUndefined()
    await database.put('a', 'brief', { ttl: 10 })
    await database.put('a', 'for good')
    pass(10)
    expect(database.getSync('a')).toBe('for good')
  })

  it('holds for a whole batch, each put of it, and chained ones', async () => {
    await database.batch(
      [
        { type: 'put', key: 'a', value: '1' },
        { type: 'put', key: 'b', value: '2', ttl: 5 },
        { type: 'del', key: 'c' },
      ],
      { ttl: 50 },
    )
    expect([expiry('a'), expiry('b')]).toEqual([NOW + 50, NOW + 5])
    await database.batch([
      { type: 'put', key: 'a', value: '1', ttl: 7 },
      { type: 'put', key: 'b', value: '2' },
    ])
    expect([expiry('a'), expiry('b')]).toEqual([NOW + 7, undefined])
    const chain = database.batch().put('a', '1').put('b', '2', { ttl: 9 }).del('c')
    await chain.write({ ttl: 90 })
    expect([expiry('a'), expiry('b')]).toEqual([NOW + 90, NOW + 9])
  })

  it('passes through sublevels, encodings and hooks', async () => {
    const users = database.sublevel<string, { n: number }>('users', { valueEncoding: 'json' })
    const deep = users.sublevel<string, string>('deep', {})
    await users.put('a', { n: 1 }, { ttl: 5 } as object)
    await deep.put('b', 'x', { ttl: 6 } as object)
    await users.batch([{ type: 'put', key: 'c', value: { n: 2 }, ttl: 7 } as never])
    await database.batch([{ type: 'put', sublevel: users, key: 'd', value: { n: 3 } }], { ttl: 8 })
    const keys = await database.keys().all()
    expect(keys.map(expiry)).toEqual([6, 5, 7, 8].map((ttl) => NOW + ttl))
    database.hooks.prewrite.add((operation) => {
      if (operation.type === 'put') Object.assign(operation, { ttl: 3 })
    })
    await database.put('hooked', '1')
    await database.batch([{ type: 'put', key: 'hooked too', value: '1' }])
    expect([expiry('hooked'), expiry('hooked too')]).toEqual([NOW + 3, NOW + 3])
  })

  it('is a positive number; a fraction is rounded up', async () => {
    const largest = Number.MAX_SAFE_INTEGER - NOW
    for (const [ttl, whole] of [
      [0.2, 1],
      [Number.MIN_VALUE, 1],
      [1.5, 2],
      [2 ** 31, 2 ** 31],
      [2 ** 32, 2 ** 32],
      [largest, largest],
    ] as const) {
      await database.put('a', '1', { ttl })
      expect(expiry('a')).toBe(NOW + whole)
      await database.batch([{ type: 'put', key: 'a', value: '1', ttl }])
      expect(expiry('a')).toBe(NOW + whole)
    }
    await database.flush()
    expect(expiry('a')).toBe(Number.MAX_SAFE_INTEGER)
    await database.put('a', '1', { ttl: undefined })
    expect(expiry('a')).toBeUndefined()
  })

  it('of a delete means nothing', async () => {
    await database.put('a', '1')
    await database.del('a', { ttl: 5 } as object)
    pass(5)
    expect(database.getSync('a')).toBeUndefined()
    await database.batch([{ type: 'del', key: 'a', ttl: -1 } as never])
  })

  it.each([0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53, '5', null, {}, 5n, true])(
    'of %s is refused with the rule, and nothing is written',
    async (ttl) => {
      const refused = { code: 'SETT_INVALID_OPTION', message: /'ttl' must be a positive number/ }
      const operation = { type: 'put', key: 'a', value: '1' } as const
      for (const write of [
        () => database.put('a', '1', { ttl } as object),
        () => database.batch([operation], { ttl } as object),
        () => database.batch([{ ...operation, ttl } as never]),
        () => database.batch([{ ...operation, ttl, keyEncoding: 'utf8' } as never]),
        () =>
          database
            .batch()
            .put('a', '1', { ttl } as object)
            .write(),
        () => database.sublevel('s').put('a', '1', { ttl } as object),
      ]) {
        await expect(write()).rejects.toMatchObject({
          code: refused.code,
          message: expect.stringMatching(refused.message),
        })
      }
      expect(database.version).toBe(0)
    },
  )

  it('must end before 2^53', async () => {
    const late = { code: 'SETT_INVALID_OPTION', message: expect.stringContaining('2^53') }
    const ttl = Number.MAX_SAFE_INTEGER - NOW + 1
    await expect(database.put('a', '1', { ttl })).rejects.toMatchObject(late)
    const batch = database.batch([{ type: 'put', key: 'a', value: '1', ttl }])
    await expect(batch).rejects.toMatchObject(late)
    expect(database.version).toBe(0)
  })

  it('is taken from what the caller gave, and no moment of expiry is', async () => {
    const operation = { type: 'put', key: 'a', value: '1', expiresAt: 5 } as const
    await database.batch([operation as never])
    await database.put('b', '1', { expiresAt: 5 } as object)
    expect([expiry('a'), expiry('b')]).toEqual([undefined, undefined])
    const inherited = Object.create({ ttl: 5 })
    await database.put('c', '1', inherited)
    expect(expiry('c')).toBeUndefined()
  })
})

describe('time stands still', () => {
  it('for a snapshot, and whatever is read at it', async () => {
    await database.put('a', '1', { ttl: 1_000 })
    await database.put('b', '2', { ttl: 2_000 })
    const snapshot = database.snapshot()
    pass(1_500)
    for (const step of [() => undefined, () => database.flush(), () => database.compactRange()]) {
      await step()
      expect(await database.get('a', { snapshot })).toBe('1')
      expect(database.getSync('a', { snapshot })).toBe('1')
      expect(await database.getMany(['a', 'b'], { snapshot })).toEqual(['1', '2'])
      expect(await database.has('a', { snapshot })).toBe(true)
      expect(database.getEntry('a', { snapshot })?.expiresAt).toBe(NOW + 1_000)
      expect(await database.keys({ snapshot }).all()).toEqual(['a', 'b'])
      expect(await database.keys().all()).toEqual(['b'])
    }
    await database.clear({ snapshot })
    expect(await database.keys().all()).toEqual([])
    expect(await database.keys({ snapshot }).all()).toEqual(['a', 'b'])
    await snapshot.close()
  })

  it('for an iterator, on its later pages and after a seek', async () => {
    const operations = Array.from({ length: 300 }, (_, i) => {
      return { type: 'put', key: `key ${1_000 + i}`, value: 'v', ttl: 10 } as const
    })
    await database.batch(operations)
    const iterator = database.iterator()
    expect(await iterator.next()).toEqual(['key 1000', 'v'])
    pass(10)
    await database.flush()
    await database.compactRange()
    expect(await database.keys().all()).toEqual([])
    expect(await iterator.all()).toHaveLength(299)
    iterator.seek('key 1100')
    await iterator.close()
    const again = database.iterator()
    expect(await again.all()).toEqual([])
  })

  it('for a getMany() from its call on', async () => {
    await database.put('a', '1', { ttl: 10 })
    const keys = Array.from({ length: 500 }, () => 'a')
    const reading = database.getMany(keys)
    pass(10)
    expect(new Set(await reading)).toEqual(new Set(['1']))
    expect(await database.getMany(['a'])).toEqual([undefined])
  })
})

it('a time to live outlasts a close', async () => {
  const directory = join(temporaryDirectory(), 'db')
  const first = new Database(directory, { workers: 0 })
  await first.put('a', '1', { ttl: 1_000 })
  await first.put('b', '2', { ttl: 2_000 })
  await first.close()
  pass(1_000)
  const second = new Database(directory, { workers: 0 })
  await second.open()
  expect(await second.iterator().all()).toEqual([['b', '2']])
  expect(second.getEntry('b')?.expiresAt).toBe(NOW + 2_000)
  await second.close()
})
