// Options of every wrong kind, objects that answer differently each time, and a polluted Object.prototype: refused with
// a typed error, or without effect.
import { spawnSync } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { OPTION_NAMES } from '../../src/base/option-table.ts'
import { Database, open, SettError } from '../../src/index.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'
import { builtUrl } from '../support/built.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const MIB = 1024 * 1024
const SMALL = { memtableSize: 64 * 1024, memoryBudget: 8 * MIB, workers: 0 } as const

/** Right for no option at all. */
const WRONG: readonly [what: string, value: unknown][] = [
  ['NaN', Number.NaN],
  ['-1', -1],
  ['-0.5', -0.5],
  ['-Infinity', Number.NEGATIVE_INFINITY],
  ['2^60', 2 ** 60],
  ['a bigint', 65_536n],
  ['null', null],
  ['empty text', ''],
  ['a number as text', '65536'],
  ['__proto__', '__proto__'],
  ['an array', [65_536]],
  ['an object', {}],
  ['a function', () => 65_536],
  ['a class', class {}],
  ['a symbol', Symbol('size')],
  ['a boxed number', Object(65_536)],
  ['a boxed boolean', Object(true)],
  ['boxed text', Object('sync')],
  ['something with valueOf', { valueOf: () => 65_536, toString: () => 'sync' }],
  ['a date', new Date(65_536)],
  ['a regular expression', /sync/],
  ['a proxy', new Proxy({}, { get: () => 65_536 })],
]

function refusal(work: () => unknown): unknown {
  try {
    work()
  } catch (error) {
    return error
  }
  return undefined
}

describe('options of the wrong kind', () => {
  const cases = OPTION_NAMES.flatMap((name) =>
    WRONG.map(([what, value]) => [name, what, value] as const),
  )

  it(`${cases.length} of them are refused by the constructor, naming the option`, () => {
    expect(cases.length).toBeGreaterThan(300)
    for (const [name, what, value] of cases) {
      const error = refusal(() => new Database('never made', { [name]: value }))
      expect(error, `${name}: ${what}`).toBeInstanceOf(SettError)
      expect(error).toMatchObject({ code: 'SETT_INVALID_OPTION' })
      expect((error as Error).message, what).toContain(name)
    }
  })

  it.each([
    ['a number', 5],
    ['text', 'fast'],
    ['an array', []],
    ['a function', () => ({})],
    ['a symbol', Symbol('o')],
  ])('all options as %s', (_, given) => {
    const error = refusal(() => new Database('never made', given as never))
    expect(error).toMatchObject({ code: 'SETT_INVALID_OPTION' })
  })

  it('what is read from an object that throws is thrown, and that is all', async () => {
    const trap = new Error('a trap')
    const thrower = new Proxy(
      {},
      {
        get() {
          throw trap
        },
        ownKeys() {
          throw trap
        },
      },
    )
    expect(refusal(() => new Database('never made', thrower))).toBe(trap)
    const database = await open(join(temporaryDirectory(), 'db'), SMALL)
    for (const call of [
      () => database.put('a', '1', thrower as never),
      () => database.del('a', thrower as never),
      () => database.batch([{ type: 'put', key: 'a', value: '1' }], thrower as never),
      () => database.batch([thrower as never]),
      () => database.get('a', thrower as never),
      () => database.getMany(['a'], thrower as never),
      () => database.iterator(thrower as never).next(),
      () => database.clear(thrower as never),
    ]) {
      await expect((async () => call())()).rejects.toBe(trap)
    }
    await database.put('b', '2')
    expect(await database.iterator().all()).toEqual([['b', '2']])
    await database.close()
  })

  it('a batch that changes while it is read is written as it was read once', async () => {
    const database = await open(join(temporaryDirectory(), 'db'), SMALL)
    for (const type of ['put', 'del', 'neither'] as const) {
      let reads = 0
      const shifty = {
        type: 'put',
        get key() {
          reads += 1
          return reads === 1 ? 'good' : ({ evil: true } as never)
        },
        get value() {
          return reads === 1 ? 'good' : (undefined as never)
        },
      }
      const batch = [shifty, ...(type === 'neither' ? [] : [{ type, key: 'x', value: 'y' }])]
      await database.batch(batch as never).catch((error: unknown) => {
        expect(String((error as { code: unknown }).code)).toMatch(/^LEVEL_INVALID_(?:KEY|VALUE)$/)
      })
    }
    for (const [key, value] of await database.iterator().all()) {
      expect(['good', 'y', '[object Object]']).toContain(value)
      expect(['good', 'x', '[object Object]']).toContain(key)
    }
    await database.close()
  })
})

/** Names that the database reads from objects it is given, or passes on inside. Left out are those that abstract-level
 * reads itself, whatever the object they come from: bounds, `limit`, `reverse`, encodings, `snapshot`, `sublevel`,
 * `createIfMissing` and `errorIfExists`. */
const POLLUTION: Readonly<Record<string, unknown>> = {
  readOnly: true,
  inMemory: true,
  durability: 'none',
  sync: false,
  onCommit: 'evil',
  ttl: 5,
  memtableSize: 1,
  lock: 'none',
  lockTimeout: 'evil',
  logger: 'evil',
  workerUrl: 'file:///evil',
  preset: 'evil',
  nonsense: 1,
  onProgress: 'evil',
  expiresAt: 1,
}

describe('a polluted Object.prototype', () => {
  it('changes nothing', () => {
    const script = `
      import { readFileSync } from 'node:fs'
      import { open } from ${JSON.stringify(new URL('src/index.js', builtUrl).href)}
      const pollution = ${JSON.stringify(POLLUTION)}
      const small = { workers: 0, memtableSize: 65536, memoryBudget: 8388608 }
      async function life(directory) {
        const told = []
        const tell = async (what, work) => {
          try { told.push([what, await work()]) }
          catch (error) { told.push([what, error.code, error.cause?.code]) }
        }
        for (let round = 0; round < 2; round++) {
          let database
          await tell('open', async () => { database = await open(directory, { ...small }) })
          if (database === undefined) return told
          await tell('put', () => database.put('a' + round, '1'))
          await tell('put {}', () => database.put('b' + round, '2', {}))
          await tell('batch', () => database.batch([{ type: 'put', key: 'c', value: '3' }, { type: 'del', key: 'a0' }]))
          await tell('batch {}', () => database.batch([{ type: 'put', key: 'd', value: '4' }], {}))
          await tell('chained', () => database.batch().put('e', '5').del('f').write())
          await tell('del', () => database.del('b0'))
          await tell('get', () => database.get('c'))
          await tell('get {}', () => database.get('c', {}))
          await tell('getMany', () => database.getMany(['c', 'd', 'x']))
          await tell('has', () => database.has('c'))
          await tell('getEntry', () => database.getEntry('d').value)
          await tell('iterator', () => database.iterator().all())
          await tell('iterator {}', () => database.iterator({}).all())
          await tell('keys', () => database.keys({ gte: 'c' }).all())
          await tell('values', () => database.values().all())
          await tell('flush', () => database.flush())
          await tell('snapshot', async () => { const s = database.snapshot(); await s.close() })
          await tell('verify', async () => (await database.verify()).ok)
          await tell('verify {}', async () => (await database.verify({})).ok)
          await tell('syncs', () => database.stats().walSyncs > 4)
          await tell('compact', () => database.compactRange())
          await tell('clear', () => database.clear({ gte: 'd', lt: 'e' }))
          await tell('close', () => database.close())
        }
        return told
      }
      const uncaught = []
      process.on('uncaughtException', (error) => uncaught.push(String(error)))
      const clean = await life(process.argv[1] + '/clean')
      const changed = {}
      for (const [name, value] of Object.entries(pollution)) {
        Object.defineProperty(Object.prototype, name, { value, configurable: true, writable: true })
        const told = await life(process.argv[1] + '/' + name)
        delete Object.prototype[name]
        const text = (line) => JSON.stringify(line)
        const differing = told.filter((line, i) => text(line) !== text(clean[i]))
        if (differing.length > 0 || told.length !== clean.length) changed[name] = differing
      }
      console.log(JSON.stringify({ clean: clean.length, changed, uncaught }))`
    const directory = scratchDirectory('polluted')
    const args = ['--input-type=module', '-e', script, directory]
    const child = spawnSync(process.execPath, args, { encoding: 'utf8' })
    rmSync(directory, { recursive: true })
    expect(child.stderr).toBe('')
    expect(JSON.parse(child.stdout)).toEqual({ clean: 48, changed: {}, uncaught: [] })
  }, 60_000)
})
