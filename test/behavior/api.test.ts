import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { AbstractLevel } from 'abstract-level'
import { describe, expect, it } from 'vitest'
import { Database, destroy, open, presets, type SettError } from '../../src/index.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const SMALL = { memtableSize: 64 * 1024, memoryBudget: 8 * 1024 * 1024, workers: 0 } as const

async function failing(work: Promise<unknown>): Promise<SettError> {
  const error = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(Error)
  return error as SettError
}

describe('a database', () => {
  it('keeps what was written across close and open', async () => {
    const location = temporaryDirectory()
    const first = await open(location, SMALL)
    await first.put('a', '1')
    await first.batch([
      { type: 'put', key: 'b', value: '2' },
      { type: 'del', key: 'a' },
    ])
    expect(first.version).toBe(2)
    await first.close()
    await first.close()
    const second = await open(location, SMALL)
    expect(await second.getMany(['a', 'b'])).toEqual([undefined, '2'])
    expect(second.version).toBe(2)
    expect(second.location).toBe(location)
    await second.close()
  })

  it('opens by itself, and again after close', async () => {
    const database = new Database(temporaryDirectory(), SMALL)
    await database.put('a', '1')
    await database.close()
    await database.open()
    expect(database.getSync('a')).toBe('1')
    await database.close()
  })

  it('is an async disposable', async () => {
    const database = await open(temporaryDirectory(), SMALL)
    await database[Symbol.asyncDispose]()
    expect(database.status).toBe('closed')
  })

  it('advertises what it can do', async () => {
    const database = await open('unused', { inMemory: true })
    expect(database.supports).toMatchObject({
      permanence: false,
      seek: true,
      has: true,
      getSync: true,
      createIfMissing: true,
      errorIfExists: true,
      implicitSnapshots: true,
      explicitSnapshots: true,
      signals: { iterators: true },
      encodings: { buffer: true, view: true, utf8: true, json: true },
      additionalMethods: { getEntry: true, flush: true, compactRange: true, stats: true },
    })
    const methods = Object.getOwnPropertyNames(Database.prototype).filter((name) => {
      const { value } = Object.getOwnPropertyDescriptor(Database.prototype, name)!
      const own = !name.startsWith('_') && !(name in AbstractLevel.prototype)
      return own && typeof value === 'function'
    })
    expect(Object.keys(database.supports.additionalMethods).sort()).toEqual(methods.sort())
    await database.close()
    expect(existsSync('unused')).toBe(false)
  })

  it('tells the version of each commit', async () => {
    const database = await open(temporaryDirectory(), SMALL)
    const seen: number[] = []
    const onCommit = (version: number): void => void seen.push(version)
    await database.put('a', '1', { onCommit, durability: 'none' })
    await database.del('a', { onCommit })
    await database.batch([{ type: 'put', key: 'b', value: '2' }], { onCommit })
    await database.batch().put('c', '3').write({ onCommit, durability: 'sync' })
    expect(seen).toEqual([1, 2, 3, 4])
    expect(database.version).toBe(4)
    const interval = { durability: { interval: 5 } } as object
    await expect(database.put('d', '4', interval)).rejects.toThrow(/'sync' or 'none'/)
    await database.close()
  })

  it('decodes with an encoding of the same name as a built-in one', async () => {
    const shout = {
      name: 'utf8',
      format: 'utf8' as const,
      encode: (text: string) => text.toLowerCase(),
      decode: (text: string) => text.toUpperCase(),
    }
    const options = { ...SMALL, valueEncoding: shout as unknown as 'utf8' }
    const database = await open(temporaryDirectory(), options)
    await database.put('a', 'Loud')
    expect(await database.get('a')).toBe('LOUD')
    expect(await database.get('missing')).toBe(undefined)
    await database.close()
    await expect(database.get('a')).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
  })

  it('treats a plain batch and one with hooks, events, encodings or sublevels alike', async () => {
    const database = await open(temporaryDirectory(), SMALL)
    await database.batch([
      { type: 'put', key: 'a', value: '1' },
      { type: 'put', key: 'gone', value: '' },
      { type: 'del', key: 'gone' },
    ])
    const written: unknown[] = []
    database.on('write', (operations: { key: unknown }[]) => {
      written.push(...operations.map(({ key }) => key))
    })
    await database.batch([{ type: 'put', key: 'b', value: '2' }])
    database.removeAllListeners('write')
    const bytes = Buffer.from('c')
    await database.batch([
      { type: 'put', key: bytes as unknown as string, value: '3', keyEncoding: 'buffer' },
    ])
    const sublevel = database.sublevel('sub')
    await database.batch([{ type: 'put', key: 'd', value: '4', sublevel }])
    database.hooks.prewrite.add((operation, batch) => {
      if (operation.key === 'e') batch.add({ type: 'put', key: 'f', value: '6' })
    })
    await database.batch([{ type: 'put', key: 'e', value: '5' }])
    expect(written).toEqual(['b'])
    expect(await database.getMany(['a', 'b', 'c', 'e', 'f', 'gone'])).toEqual([
      ...['1', '2', '3', '5', '6'],
      undefined,
    ])
    expect(await sublevel.get('d')).toBe('4')
    const twice = database.batch([{ type: 'put', key: 'g', value: '7' }])
    expect(database.batch([{ type: 'put', key: 'h', value: '8' }])).not.toBe(twice)
    await database.close()
  })

  it('puts and deletes plain data as it does all other', async () => {
    const database = await open(temporaryDirectory(), SMALL)
    await database.put('a', '1')
    await database.del('a')
    await database.put('b', '')
    const written: unknown[] = []
    database.on('write', (operations: { type: string; key: unknown }[]) => {
      written.push(...operations.map(({ type, key }) => [type, key]))
    })
    await database.put('c', '3')
    await database.del('c')
    database.removeAllListeners('write')
    await database.put(4 as unknown as string, 5 as unknown as string)
    await database.put(Buffer.from('d') as unknown as string, '6')
    await expect(database.put(null as unknown as string, '7')).rejects.toMatchObject({
      code: 'LEVEL_INVALID_KEY',
    })
    await expect(database.put('e', undefined as unknown as string)).rejects.toMatchObject({
      code: 'LEVEL_INVALID_VALUE',
    })
    const twice = database.put('f', '8')
    expect(database.put('g', '9')).not.toBe(twice)
    database.hooks.prewrite.add((operation, batch) => {
      if (operation.key === 'h') batch.add({ type: 'put', key: 'i', value: '11' })
    })
    await database.put('h', '10')
    expect(written).toEqual([
      ['put', 'c'],
      ['del', 'c'],
    ])
    expect(await database.iterator().all()).toEqual([
      ['4', '5'],
      ['b', ''],
      ['d', '6'],
      ['f', '8'],
      ['g', '9'],
      ['h', '10'],
      ['i', '11'],
    ])
    await database.close()
    await expect(database.put('j', '12')).rejects.toMatchObject({ code: 'LEVEL_DATABASE_NOT_OPEN' })
  })

  it('passes every write through the methods a subclass may have of its own', async () => {
    const calls: string[] = []
    class Watched extends Database {
      override _put(key: string, value: string, options: object | undefined): Promise<void> {
        calls.push(`put ${key}`)
        return super._put(key, value, options)
      }
      override _del(key: string, options: object | undefined): Promise<void> {
        calls.push(`del ${key}`)
        return super._del(key, options)
      }
    }
    const database = new Watched(temporaryDirectory(), SMALL)
    await database.open()
    await database.put('a', '1')
    await database.put('b', '2', { durability: 'none' })
    await database.del('a')
    await database.close()
    expect(calls).toEqual(['put a', 'put b', 'del a'])
  })

  it('gives entries with their version', async () => {
    const database = await open<string, object>(temporaryDirectory(), {
      ...SMALL,
      valueEncoding: 'json',
    })
    await database.put('a', { n: 1 })
    const snapshot = database.snapshot()
    await database.put('a', { n: 2 })
    const known = { key: 'a', expiresAt: undefined, meta: 0 }
    expect(database.getEntry('a')).toEqual({ ...known, value: { n: 2 }, version: 2 })
    expect(database.getEntry('a', { snapshot })).toEqual({ ...known, value: { n: 1 }, version: 1 })
    expect(database.getEntry('b')).toBeUndefined()
    await snapshot.close()
    await database.close()
  })

  it('moves memory into tables, compacts, settles, and shows it in stats', async () => {
    const database = await open(temporaryDirectory(), SMALL)
    for (let i = 0; i < 200; i++) await database.put(`k${i % 50}`, 'x'.repeat(1000))
    await database.flush()
    await database.compactRange()
    await database.compactRange('a', 'z')
    await database.settle()
    const stats = database.stats()
    expect(stats.flushes).toBeGreaterThan(0)
    const entries = stats.levels.reduce((sum, level) => sum + level.entries, 0)
    expect(entries).toBe(50)
    expect(database.explain()).toMatch(/memtableSize +65536 \(64 KiB\) +bytes +given/)
    await database.close()
  })

  it('takes options at open(), over those of the constructor', async () => {
    const database = new Database(temporaryDirectory(), SMALL)
    const late = { blockSize: 512 } as object
    await database.open(late)
    expect(database.explain()).toMatch(/blockSize +512 .*given/)
    expect(database.explain()).toMatch(/createIfMissing +true +default/)
    await database.close()
  })

  it('has presets that cannot be changed', () => {
    expect(Object.keys(presets)).toContain('lowMemory')
    expect(Object.isFrozen(presets) && Object.isFrozen(presets.lowMemory)).toBe(true)
  })
})

describe('reading', () => {
  it('an iterator sees what was there when it was created, page after page', async () => {
    const database = await open(temporaryDirectory(), { ...SMALL, scanPageSize: 7 })
    const keys = Array.from({ length: 100 }, (_, i) => `k${String(i).padStart(3, '0')}`)
    await database.batch(keys.map((key) => ({ type: 'put', key, value: key })))
    const iterator = database.iterator()
    const later = database.clear()
    const seen: string[] = []
    for await (const [key] of iterator) seen.push(key)
    await later
    expect(seen).toEqual(keys)
    expect(await database.keys().all()).toEqual([])
    await database.close()
  })

  it('next, nextv and seek mix', async () => {
    const database = await open(temporaryDirectory(), { ...SMALL, scanPageSize: 10 })
    const keys = Array.from({ length: 100 }, (_, i) => `k${String(i).padStart(3, '0')}`)
    await database.batch(keys.map((key) => ({ type: 'put', key, value: key })))
    const iterator = database.keys({ gt: 'k004', lte: 'k090' })
    expect(await iterator.next()).toBe('k005')
    expect(await iterator.nextv(30)).toEqual(keys.slice(6, 36))
    iterator.seek('k080')
    expect(await iterator.next()).toBe('k080')
    expect(await iterator.nextv(1000)).toEqual(keys.slice(81, 91))
    expect(await iterator.nextv(1)).toEqual([])
    iterator.seek('k004')
    expect(await iterator.next()).toBeUndefined()
    iterator.seek('k005')
    expect(await iterator.next()).toBe('k005')
    await iterator.close()
    expect(await database.values({ reverse: true, limit: 2 }).all()).toEqual(['k099', 'k098'])
    await database.close()
  })

  it('getMany and hasMany read at one version', async () => {
    const database = await open(temporaryDirectory(), SMALL)
    const keys = Array.from({ length: 5000 }, (_, i) => `k${i}`)
    await database.batch(keys.map((key) => ({ type: 'put', key, value: 'old' })))
    const reads = [database.getMany(keys), database.hasMany(keys)] as const
    const write = database.batch(keys.map((key) => ({ type: 'del', key })))
    expect(new Set(await reads[0])).toEqual(new Set(['old']))
    expect(new Set(await reads[1])).toEqual(new Set([true]))
    await write
    expect(new Set(await database.getMany(keys))).toEqual(new Set([undefined]))
    await database.close()
  })

  it('a loop of awaited reads does not starve timers', async () => {
    const database = await open(temporaryDirectory(), SMALL)
    await database.put('a', '1')
    for (const read of [
      () => database.get('a'),
      () => database.has('a'),
      () => database.getMany(['a']),
      () => database.iterator().all(),
    ]) {
      let fired = false
      setTimeout(() => {
        fired = true
      }, 1)
      let reads = 0
      while (!fired && reads < 1_000_000) {
        await read()
        reads++
      }
      expect(fired).toBe(true)
    }
    await database.close()
  })

  it('a snapshot of another database is refused', async () => {
    const one = await open('one', { inMemory: true })
    const two = await open('two', { inMemory: true })
    const snapshot = one.snapshot()
    const error = await failing(two.get('a', { snapshot }))
    expect(error.code).toBe('SETT_INVALID_OPTION')
    await one.close()
    await two.close()
  })

  it('an aborted signal ends a pending read', async () => {
    const database = await open('memory', { inMemory: true })
    await database.put('a', '1')
    const controller = new AbortController()
    const iterator = database.iterator({ signal: controller.signal })
    const pending = failing(iterator.next())
    controller.abort()
    expect(await pending).toMatchObject({ code: 'LEVEL_ABORTED', name: 'AbortError' })
    await database.close()
  })
})

describe('destroy', () => {
  it('removes the database and its directory', async () => {
    const location = join(temporaryDirectory(), 'db')
    const database = await open(location, SMALL)
    await database.put('a', '1')
    await database.flush()
    await database.close()
    await destroy(location)
    expect(existsSync(location)).toBe(false)
    await destroy(location)
  })

  it('leaves the files of others alone', async () => {
    const location = join(temporaryDirectory(), 'db')
    await (await open(location, SMALL)).close()
    writeFileSync(join(location, 'notes.txt'), 'mine')
    writeFileSync(join(location, '000999.sst'), 'another store’s table')
    await destroy(location)
    expect(readdirSync(location).sort()).toEqual(['000999.sst', 'notes.txt'])
  })

  it.each([
    ['an empty directory', () => undefined],
    [
      'another store',
      (location: string) => {
        writeFileSync(join(location, 'CURRENT'), 'MANIFEST-000004\n')
        writeFileSync(join(location, 'MANIFEST-000004'), 'leveldb')
        writeFileSync(join(location, 'LOCK'), '')
      },
    ],
  ])('refuses %s', async (_, fill) => {
    const location = join(temporaryDirectory(), 'db')
    mkdirSync(location)
    fill(location)
    const before = readdirSync(location)
    expect((await failing(destroy(location))).code).toBe('SETT_NOT_A_DATABASE')
    expect(readdirSync(location)).toEqual(before)
  })

  it('refuses a file, and an open database', async () => {
    const location = temporaryDirectory()
    const file = join(location, 'file')
    writeFileSync(file, 'text')
    expect((await failing(destroy(file))).code).toBe('SETT_NOT_A_DATABASE')
    const database = await open(join(location, 'db'), SMALL)
    expect((await failing(destroy(join(location, 'db')))).code).toBe('LEVEL_LOCKED')
    await database.put('still', 'there')
    await database.close()
  })
})
