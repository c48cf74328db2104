// What the types forbid and callers do all the same: data that is not what it seems, snapshots and databases used
// past their end, directories that vanish. Each is refused with a typed error, and the database works on.
import { spawnSync } from 'node:child_process'
import {
  chmodSync,
  chownSync,
  existsSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
} from 'node:fs'
import { dirname, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { Database, destroy, open, type SettError } from '../../src/index.ts'
import { builtUrl } from '../support/built.ts'
import { ends } from '../support/small-engine.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const MIB = 1024 * 1024
const SMALL = { memtableSize: 64 * 1024, memoryBudget: 8 * MIB, workers: 0 } as const
const VIEWS = { ...SMALL, keyEncoding: 'view', valueEncoding: 'view' } as const

async function failure(work: () => unknown): Promise<SettError> {
  try {
    await work()
  } catch (error) {
    return error as SettError
  }
  throw new Error('nothing was refused')
}

async function views(): Promise<Database<Uint8Array, Uint8Array>> {
  return open<Uint8Array, Uint8Array>(join(temporaryDirectory(), 'db'), VIEWS)
}

function detached(): Uint8Array {
  const bytes = new Uint8Array(8)
  structuredClone(bytes.buffer, { transfer: [bytes.buffer] })
  return bytes
}

/** A view that lies beyond the end of its buffer, and so claims to be empty. */
function cutOff(): Uint8Array {
  // The published types of the language level do not know resizable buffers yet.
  const Resizable = ArrayBuffer as unknown as new (
    length: number,
    options: { maxByteLength: number },
  ) => ArrayBuffer & { resize(length: number): void }
  const buffer = new Resizable(8, { maxByteLength: 16 })
  const bytes = new Uint8Array(buffer, 4, 4)
  buffer.resize(2)
  return bytes
}

class Boaster extends Uint8Array {
  override get length(): 1_000_000 {
    return 1_000_000
  }
  override get byteLength(): 1_000_000 {
    return 1_000_000
  }
}

class Refuser extends Uint8Array {
  override get length(): number {
    throw new Error('no length')
  }
}

describe('data that is not what it seems', () => {
  it('is stored as long as it is, whatever a property of its own says', async () => {
    const database = await views()
    for (const length of [8, 1e9]) {
      const bytes = new Uint8Array(300_000).fill(7)
      Object.defineProperty(bytes, 'length', { value: length })
      await ends(database.put(Uint8Array.of(1), bytes))
      await ends(database.batch([{ type: 'put', key: Uint8Array.of(2), value: bytes }]))
      for (const key of [1, 2]) {
        expect((await database.get(Uint8Array.of(key)))?.byteLength).toBe(300_000)
      }
    }
    await database.close()
  })

  it.each([
    ['detached', detached],
    ['cut off', cutOff],
    ['lying about its length', () => new Boaster(4)],
  ])(
    '%s: refused as key, value, bound and target, and later writes go through',
    async (_, make) => {
      const database = await views()
      const one = Uint8Array.of(1)
      await database.put(one, one)
      const bad = make()
      for (const use of [
        () => database.put(bad, one),
        () => database.del(bad),
        () => database.batch([{ type: 'put', key: bad, value: one }]),
        () => database.get(bad),
        () => database.getSync(bad),
        () => database.getMany([one, bad]),
        () => database.has(bad),
        () => database.hasMany([bad]),
        () => database.getEntry(bad),
        () => database.iterator({ gte: bad }).all(),
        () => database.keys({ lt: bad }).next(),
        () => database.clear({ gt: bad }),
        () => database.compactRange(bad),
      ]) {
        expect((await failure(use)).code).toBe('LEVEL_INVALID_KEY')
      }
      const iterator = database.iterator()
      expect((await failure(() => iterator.seek(bad))).code).toBe('LEVEL_INVALID_KEY')
      await iterator.close()
      for (const use of [
        () => database.put(one, bad),
        () => database.batch([{ type: 'put', key: one, value: bad }]),
        () => database.batch().put(one, bad).write(),
      ]) {
        expect((await failure(use)).code).toBe('LEVEL_INVALID_VALUE')
      }
      await database.put(Uint8Array.of(2), one)
      expect(await database.iterator().all()).toEqual([
        [one, one],
        [Uint8Array.of(2), one],
      ])
      expect(database.stats().snapshots).toBe(0)
      await database.close()
    },
  )

  it('of a class whose length is code: it is not asked for, and nothing is thrown at the caller', async () => {
    const database = await views()
    const odd = new Refuser(4)
    await database.put(odd, odd)
    await database.put(Uint8Array.of(1), odd)
    await database.batch([{ type: 'put', key: Uint8Array.of(2), value: odd }])
    await database.del(odd)
    expect(await database.values().all()).toEqual([new Uint8Array(4), new Uint8Array(4)])
    await database.close()
  })

  it.each([
    ['text', 'x'.repeat(200_000)],
    ['bytes', Buffer.alloc(200_000, 1)],
    ['an object', { a: 1 }],
    ['a number', 5],
    ['null', null],
  ])('a delete that still carries a value, %s: it is left out', async (_, value) => {
    const database = await open<string, unknown>(join(temporaryDirectory(), 'db'), {
      ...SMALL,
      valueEncoding: 'json',
    })
    for (const key of ['a', 'b', 'c', 'd']) await database.put(key, key)
    const before = database.stats().walBytes
    const made = { type: 'del', value } as const
    await database.batch([{ ...made, key: 'a' }])
    await database.batch([{ ...made, key: 'b' }], { durability: 'sync' })
    await database.sublevel('s').batch([{ ...made, key: 'b' }])
    await database
      .batch()
      .del('c', { value } as object)
      .write()
    expect(database.stats().walBytes - before).toBeLessThan(2_000)
    expect(await database.keys().all()).toEqual(['d'])
    await database.put('e', 1)
    await database.flush()
    expect(await database.iterator().all()).toEqual([
      ['d', 'd'],
      ['e', 1],
    ])
    await database.close()
  })

  it.each([
    ['Float64Array', new Float64Array([1.5])],
    ['DataView', new DataView(new Float64Array([1.5]).buffer)],
    ['over shared memory', new Uint8Array(new SharedArrayBuffer(8)).fill(7)],
  ])('%s: its bytes count, whole', async (_, given) => {
    const database = await views()
    const bytes = new Uint8Array(given.buffer).slice()
    const read = async (key: Uint8Array): Promise<string> =>
      Buffer.from((await database.get(key)) ?? []).toString('hex')
    const hex = Buffer.from(bytes).toString('hex')
    const view = given as Uint8Array
    await database.put(view, view)
    await database.batch([{ type: 'put', key: Uint8Array.of(9, 9), value: view }])
    await database.flush()
    for (const key of [bytes, view, Uint8Array.of(9, 9)]) expect(await read(key)).toBe(hex)
    expect(await database.keys({ gte: view, limit: 1 }).all()).toHaveLength(1)
    await database.close()
  })

  it('an encoding that hands down neither text nor bytes', async () => {
    const odd = {
      name: 'odd',
      format: 'utf8',
      encode: (x: unknown) => x,
      decode: (x: unknown) => x,
    }
    const database = await open('db', { inMemory: true })
    const numbers = { valueEncoding: odd as never }
    const error = await failure(() => database.put('a', 5 as never, numbers))
    expect(error.code).toBe('LEVEL_INVALID_VALUE')
    expect(error.message).toContain('valueEncoding')
    await database.put('a', '1')
    expect(database.version).toBe(1)
    await database.close()
  })

  it('what the caller does with the bytes afterwards changes nothing', async () => {
    const database = await views()
    const key = Uint8Array.of(1)
    const value = new Uint8Array(1000).fill(5)
    const done = [database.put(key, value), database.batch([{ type: 'put', key: key, value }])]
    key.fill(2)
    value.fill(6)
    structuredClone(value.buffer, { transfer: [value.buffer] })
    await Promise.all(done)
    expect(await database.iterator().all()).toEqual([
      [Uint8Array.of(1), new Uint8Array(1000).fill(5)],
    ])
    await database.close()
  })
})

describe('past the end', () => {
  it('a closed snapshot serves no read', async () => {
    const database = await open('db', { inMemory: true })
    await database.put('a', '1')
    const snapshot = database.snapshot()
    await snapshot.close()
    for (const use of [
      () => database.getEntry('a', { snapshot }),
      () => database.getSync('a', { snapshot }),
      () => database.get('a', { snapshot }),
      () => database.iterator({ snapshot }).all(),
    ]) {
      expect((await failure(use)).code).toBe('LEVEL_SNAPSHOT_NOT_OPEN')
    }
    expect(database.getEntry('a', null as never)?.value).toBe('1')
    expect((await failure(() => database.compactRange(null as never))).code).toBe(
      'LEVEL_INVALID_KEY',
    )
    await database.close()
  })

  it('close waits for thousands of writes nobody awaits', async () => {
    const location = join(temporaryDirectory(), 'db')
    const database = await open(location, SMALL)
    let stored = 0
    for (let i = 0; i < 10_000; i++) {
      void database.put(`k${i}`, 'v'.repeat(50)).then(() => stored++)
    }
    await database.close()
    expect(stored).toBe(10_000)
    const again = await open(location, SMALL)
    expect(await again.keys().all()).toHaveLength(10_000)
    await again.close()
  })

  it('close while opening, again, and with iterators in use', async () => {
    const location = join(temporaryDirectory(), 'db')
    const database = new Database(location, SMALL)
    await Promise.all([database.open(), database.close()])
    expect(database.status).toBe('closed')
    await database.open()
    await database.put('a', '1')
    const iterators = Array.from({ length: 50 }, () => database.iterator())
    await Promise.all(iterators.map((iterator) => iterator.next()))
    await Promise.all([database.close(), database.close()])
    for (const iterator of iterators) {
      expect((await failure(() => iterator.next())).code).toBe('LEVEL_ITERATOR_NOT_OPEN')
    }
    await (await open(location, SMALL)).close()
  })

  it('a directory removed while open: close tells it once, then the database is closed', async () => {
    const location = join(temporaryDirectory(), 'db')
    const database = await open(location, SMALL)
    await database.put('a', '1')
    rmSync(location, { recursive: true })
    const error = await failure(() => database.close())
    expect(error).toMatchObject({ code: 'LEVEL_DATABASE_NOT_CLOSED' })
    expect(error.cause).toMatchObject({ code: 'SETT_POISONED' })
    await database.close()
    expect(database.status).toBe('closed')
    expect(existsSync(location)).toBe(false)
    await (await open(location, SMALL)).close()
  })
})

describe('places', () => {
  it.runIf(process.platform === 'linux')('where the kernel lets nobody create', async () => {
    const error = await failure(() => open('/proc/sett/db', SMALL))
    expect(error.cause).toMatchObject({ code: 'LEVEL_IO_ERROR', cause: { code: 'ENOENT' } })
  })

  it('names too long, links in circles and links to nothing', async () => {
    const root = temporaryDirectory()
    symlinkSync(join(root, 'loop'), join(root, 'loop'))
    symlinkSync(join(root, 'nothing'), join(root, 'dangling'))
    for (const [name, code] of [
      ['x'.repeat(300), 'LEVEL_IO_ERROR'],
      ['loop', 'LEVEL_IO_ERROR'],
      ['dangling', 'SETT_NOT_A_DATABASE'],
    ] as const) {
      expect((await failure(() => open(join(root, name), SMALL))).cause).toMatchObject({ code })
    }
    expect((await failure(() => destroy(join(root, 'x'.repeat(300))))).code).toBe('LEVEL_IO_ERROR')
    expect(readdirSync(root).sort()).toEqual(['dangling', 'loop'])
  })

  it('destroy() through a link removes the files, and leaves link and directory', async () => {
    const root = temporaryDirectory()
    const link = join(root, 'link')
    await (await open(join(root, 'db'), SMALL)).close()
    symlinkSync(join(root, 'db'), link)
    const wrong = { lockTimeout: 'soon' } as never
    expect((await failure(() => destroy(link, wrong))).code).toBe('SETT_INVALID_OPTION')
    await destroy(link)
    expect(readdirSync(root).sort()).toEqual(['db', 'link'])
    expect(readdirSync(link)).toEqual([])
    await (await open(link, SMALL)).close()
  })

  it('a directory without write permission can be read, with or without LOCK', async () => {
    const location = join(temporaryDirectory(), 'db')
    const database = await open(location, SMALL)
    await database.put('a', '1')
    await database.flush()
    await database.put('b', '2')
    await database.close()
    const nobody = process.getuid?.() === 0 ? 65_534 : undefined
    const protect = (): void => {
      const paths = [location, ...readdirSync(location).map((name) => join(location, name))]
      for (const path of paths) {
        if (nobody !== undefined) chownSync(path, nobody, nobody)
        chmodSync(path, path === location ? 0o500 : 0o400)
      }
    }
    // Whoever is nobody must still find the way.
    chmodSync(dirname(location), 0o755)
    protect()
    const index = new URL('src/index.js', builtUrl).href
    const reading = `import(${JSON.stringify(index)}).then(async ({ open }) => {
      if (${nobody} !== undefined) process.setgid(${nobody}), process.setuid(${nobody})
      const at = (readOnly) => open(${JSON.stringify(location)}, { readOnly, workers: 0 })
      const database = await at(true)
      console.log(await database.getMany(['a', 'b']))
      await database.close()
      await at(false).catch(({ cause }) => console.log(cause.code, cause.cause.code))
    })`
    const picture = (): string =>
      readdirSync(location)
        .map((name) => `${name} ${readFileSync(join(location, name), 'hex')}`)
        .concat(String(statSync(location).mtimeMs))
        .join('\n')
    for (const withLock of [true, false]) {
      if (!withLock) rmSync(join(location, 'LOCK'))
      const before = picture()
      const child = spawnSync(process.execPath, ['-e', reading], { encoding: 'utf8' })
      expect(child.stderr).toBe('')
      expect(child.stdout).toBe("[ '1', '2' ]\nLEVEL_IO_ERROR EACCES\n")
      expect(picture()).toBe(before)
    }
  })
})
