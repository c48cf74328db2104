// One test per way of giving the database something it must refuse: a typed error that names the fix, and nothing
// on disk changed.
import { type ChildProcess, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import {
  chmodSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { hash64 } from '../../src/base/xxh64.ts'
import { Database, type DatabaseOptions, open, type SettError } from '../../src/index.ts'
import { builtUrl } from '../support/built.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const MIB = 1024 * 1024
const SMALL = { memtableSize: 64 * 1024, memoryBudget: 8 * MIB, workers: 0 } as const

/** Names, sizes, times and contents of everything below a directory; whoever locks LOCK touches it. */
function picture(directory: string): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(directory, { recursive: true }).map(String).sort()) {
    const path = join(directory, name)
    const { mtimeMs, size, mode } = statSync(path)
    const time = name.endsWith('LOCK') ? 0 : mtimeMs
    hash.update(`${name} ${time} ${size} ${mode}\n`)
    if (statSync(path).isFile()) hash.update(readFileSync(path))
  }
  return hash.digest('hex')
}

async function failure(work: () => unknown): Promise<SettError> {
  try {
    await work()
  } catch (error) {
    return error as SettError
  }
  throw new Error('nothing was refused')
}

/** The reason why opening failed. */
async function refusedOpen(
  location: string,
  options: DatabaseOptions<string, string> = {},
): Promise<SettError> {
  const error = await failure(() => open(location, { ...SMALL, ...options }))
  expect(error.code).toBe('LEVEL_DATABASE_NOT_OPEN')
  expect(error.cause).toBeInstanceOf(Error)
  return error.cause as SettError
}

async function filledDatabase(): Promise<string> {
  const location = join(temporaryDirectory(), 'db')
  const database = await open(location, SMALL)
  await database.put('a', '1')
  await database.flush()
  await database.put('b', '2')
  await database.close()
  return location
}

/** Another process that opens the database, writes `a`, and waits. */
async function otherProcess(location: string, options: object): Promise<ChildProcess> {
  const script = `
    import { open } from ${JSON.stringify(new URL('src/index.js', builtUrl).href)}
    const database = await open(${JSON.stringify(location)}, ${JSON.stringify(options)})
    if (!${JSON.stringify('readOnly' in options)}) await database.put('a', '1')
    console.log('ready')
    setInterval(() => undefined, 1000)
  `
  const child = spawn(process.execPath, ['--input-type=module', '-e', script], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  await once(child.stdout!, 'data')
  return child
}

describe('options', () => {
  it('unknown option', async () => {
    const error = await failure(() => new Database('db', { memtablesize: 1 } as object))
    expect(error.code).toBe('SETT_INVALID_OPTION')
    expect(error.message).toContain("Did you mean 'memtableSize'?")
  })

  it('wrong type of option', async () => {
    const error = await failure(() => open('db', { blockSize: '4k' } as object))
    expect(error.code).toBe('SETT_INVALID_OPTION')
    expect(error.message).toContain("'blockSize' must be a whole number of bytes")
  })

  it('wrong option at open()', async () => {
    const database = new Database(join(temporaryDirectory(), 'db'), SMALL)
    const error = await failure(() => database.open({ blokSize: 1 } as object))
    expect(error.code).toBe('LEVEL_DATABASE_NOT_OPEN')
    expect((error.cause as SettError).code).toBe('SETT_INVALID_OPTION')
  })

  it.each([undefined, '', 7, {}, 'a\0b'])('location %j', async (location) => {
    const error = await failure(() => new Database(location as string))
    expect(error.code).toBe('SETT_INVALID_OPTION')
    expect(error.message).toContain('location')
  })

  it('wrong options of a write', async () => {
    const database = await open('db', { inMemory: true })
    for (const options of [
      { durability: 'fsync' },
      { durability: { interval: 0 } },
      { onCommit: 'yes' },
    ]) {
      for (const write of [
        () => database.put('a', '1', options as object),
        () => database.del('a', options as object),
        () => database.batch([{ type: 'del', key: 'a' }], options as object),
      ]) {
        expect((await failure(write)).code).toBe('SETT_INVALID_OPTION')
      }
    }
    expect(database.version).toBe(0)
    await database.close()
  })
})

describe('keys and values', () => {
  it('no key, no value', async () => {
    const database = await open('db', { inMemory: true })
    const none = undefined as unknown as string
    expect((await failure(() => database.put(none, '1'))).code).toBe('LEVEL_INVALID_KEY')
    expect((await failure(() => database.get(none))).code).toBe('LEVEL_INVALID_KEY')
    expect((await failure(() => database.getEntry(none))).code).toBe('LEVEL_INVALID_KEY')
    expect((await failure(() => database.put('a', none))).code).toBe('LEVEL_INVALID_VALUE')
    await database.close()
  })

  it('key at the limit and above', async () => {
    const database = await open<Buffer, string>('db', { inMemory: true, keyEncoding: 'buffer' })
    const longest = Buffer.alloc(65_535, 1)
    await database.put(longest, '1')
    expect(await database.get(longest)).toBe('1')
    const error = await failure(() => database.put(Buffer.alloc(65_536, 1), '1'))
    expect(error.code).toBe('SETT_TOO_LARGE')
    expect(error.message).toContain('65535')
    expect(database.version).toBe(1)
    await database.close()
  })

  it('value above the limit', async () => {
    const database = await open<string, Buffer>('db', { inMemory: true, valueEncoding: 'buffer' })
    const error = await failure(() => database.put('a', Buffer.alloc(1024 * MIB + 1)))
    expect(error.code).toBe('SETT_TOO_LARGE')
    expect(database.version).toBe(0)
    await database.close()
  })

  it('value above a quarter of the memory budget, which the message names', async () => {
    const location = join(temporaryDirectory(), 'db')
    const database = await open<string, Buffer>(location, { ...SMALL, valueEncoding: 'buffer' })
    const error = await failure(() => database.put('a', Buffer.alloc(2 * MIB + 1)))
    expect(error.code).toBe('SETT_TOO_LARGE')
    expect(error.message).toContain('memoryBudget')
    expect(error.message).toContain('putStream')
    await database.putStream('a', [Buffer.alloc(2 * MIB + 1)])
    await database.put('a', Buffer.alloc(2 * MIB))
    expect(database.version).toBe(2)
    await database.close()
  })
})

describe('use at the wrong time', () => {
  it('before open', async () => {
    const database = new Database(join(temporaryDirectory(), 'db'), SMALL)
    for (const use of [
      () => database.getSync('a'),
      () => database.snapshot(),
      () => database.stats(),
      () => database.version,
      () => database.getEntry('a'),
    ]) {
      expect((await failure(use)).code).toBe('LEVEL_DATABASE_NOT_OPEN')
    }
    await Promise.all([database.flush(), database.compactRange(), database.settle()])
    expect(await database.get('a')).toBeUndefined()
    await database.close()
  })

  it('after close', async () => {
    const database = await open(join(temporaryDirectory(), 'db'), SMALL)
    await database.put('a', '1')
    const iterator = database.iterator()
    const snapshot = database.snapshot()
    await database.close()
    for (const use of [
      () => database.get('a'),
      () => database.getSync('a'),
      () => database.put('a', '2'),
      () => database.iterator(),
      () => database.flush(),
      () => database.compactRange(),
      () => database.settle(),
      () => database.stats(),
      () => database.version,
      () => database.getEntry('a'),
    ]) {
      expect((await failure(use)).code).toBe('LEVEL_DATABASE_NOT_OPEN')
    }
    expect((await failure(() => iterator.next())).code).toBe('LEVEL_ITERATOR_NOT_OPEN')
    await snapshot.close()
  })

  it('writing what was opened read-only', async () => {
    const location = await filledDatabase()
    const before = picture(location)
    const database = await open(location, { ...SMALL, readOnly: true })
    for (const write of [
      () => database.put('a', '2'),
      () => database.del('a'),
      () => database.batch([{ type: 'del', key: 'a' }]),
      () => database.clear(),
    ]) {
      const error = await failure(write)
      expect(error.code).toBe('LEVEL_READONLY')
      expect(error.message).toContain('readOnly')
    }
    expect(await database.getMany(['a', 'b'])).toEqual(['1', '2'])
    await database.close()
    expect(picture(location)).toBe(before)
  })
})

describe('places', () => {
  it('a path that is a file', async () => {
    const root = temporaryDirectory()
    const file = join(root, 'file')
    writeFileSync(file, 'text')
    const before = picture(root)
    expect((await refusedOpen(file)).code).toBe('SETT_NOT_A_DATABASE')
    expect(picture(root)).toBe(before)
  })

  it('a path below a file', async () => {
    const root = temporaryDirectory()
    writeFileSync(join(root, 'file'), 'text')
    const before = picture(root)
    const error = await refusedOpen(join(root, 'file', 'db'))
    expect(error).toMatchObject({ code: 'LEVEL_IO_ERROR', cause: { code: 'ENOTDIR' } })
    expect(picture(root)).toBe(before)
  })

  it('a directory that cannot be written', async () => {
    const root = temporaryDirectory()
    chmodSync(root, 0o500)
    // The superuser may write anywhere but where the kernel itself says no.
    const location = process.getuid?.() === 0 ? '/sys/kernel/sett' : join(root, 'db')
    const error = await refusedOpen(location)
    expect(error.code).toBe('LEVEL_IO_ERROR')
    expect(error.message).toMatch(/EACCES|EPERM|EROFS/)
    expect(error.message).toContain('permissions')
    expect(readdirSync(root)).toEqual([])
  })

  it('a missing database that must exist', async () => {
    const root = temporaryDirectory()
    for (const options of [{ createIfMissing: false }, { readOnly: true }]) {
      const error = await refusedOpen(join(root, 'db'), options)
      expect(error.code).toBe('LEVEL_NOT_FOUND')
      expect(error.message).toMatch(/createIfMissing|path/)
    }
    expect(readdirSync(root)).toEqual([])
  })

  it('an existing database that must not exist', async () => {
    const location = await filledDatabase()
    const before = picture(location)
    expect((await refusedOpen(location, { errorIfExists: true })).code).toBe('LEVEL_EXISTS')
    expect(picture(location)).toBe(before)
  })

  it('a directory that is not a database but holds files', async () => {
    const root = temporaryDirectory()
    writeFileSync(join(root, 'notes.txt'), 'mine')
    mkdirSync(join(root, 'folder'))
    symlinkSync('notes.txt', join(root, 'link'))
    const before = picture(root)
    for (const options of [{}, { readOnly: true }]) {
      const error = await refusedOpen(root, options)
      expect(['SETT_NOT_A_DATABASE', 'LEVEL_NOT_FOUND']).toContain(error.code)
    }
    expect(picture(root)).toBe(before)
  })

  it('a database of a newer format', async () => {
    const location = await filledDatabase()
    const path = join(location, 'CURRENT')
    const bytes = readFileSync(path)
    bytes.writeUInt32LE(2, 8)
    bytes.writeBigUInt64LE(hash64(bytes.subarray(0, 56), 0n), 56)
    writeFileSync(path, bytes)
    const before = picture(location)
    const error = await refusedOpen(location)
    expect(error.code).toBe('SETT_NEWER_FORMAT')
    expect(error.message).toMatch(/2.*1|1.*2/s)
    expect(picture(location)).toBe(before)
  })

  it('table files without CURRENT', async () => {
    const location = await filledDatabase()
    rmSync(join(location, 'CURRENT'))
    const before = picture(location)
    expect((await refusedOpen(location)).code).toBe('LEVEL_CORRUPTION')
    expect(picture(location)).toBe(before)
  })
})

describe('two at once', () => {
  it('second opener in the same process', async () => {
    const location = await filledDatabase()
    const first = await open(location, SMALL)
    const error = await refusedOpen(location)
    expect(error.code).toBe('LEVEL_LOCKED')
    expect(error.message).toMatch(/this process/)
    await first.put('still', 'works')
    await first.close()
  })

  it('second opener in another process, which the message names; lockTimeout waits for it', async () => {
    const location = await filledDatabase()
    const child = await otherProcess(location, SMALL)
    const error = await refusedOpen(location)
    expect(error.code).toBe('LEVEL_LOCKED')
    expect(error.message).toContain(String(child.pid))
    setTimeout(() => child.kill('SIGKILL'), 50)
    const database = await open(location, { ...SMALL, lockTimeout: 25_000 })
    expect(await database.get('b')).toBe('2')
    await database.close()
  })

  it('read-only beside a writer', async () => {
    const location = await filledDatabase()
    const writer = await open(location, SMALL)
    expect((await refusedOpen(location, { readOnly: true })).code).toBe('LEVEL_LOCKED')
    await writer.close()
  })

  it('a writer beside read-only openers, of which there may be many', async () => {
    const location = await filledDatabase()
    const readers = [
      await open(location, { ...SMALL, readOnly: true }),
      await open(location, { ...SMALL, readOnly: true }),
    ]
    expect(await Promise.all(readers.map((reader) => reader.get('b')))).toEqual(['2', '2'])
    expect((await refusedOpen(location)).code).toBe('LEVEL_LOCKED')
    for (const reader of readers) await reader.close()
    await (await open(location, SMALL)).close()
  })

  it('read-only after a kill reads everything and writes nothing', async () => {
    const location = join(temporaryDirectory(), 'db')
    const child = await otherProcess(location, SMALL)
    child.kill('SIGKILL')
    await once(child, 'exit')
    const before = picture(location)
    const database = await open(location, { ...SMALL, readOnly: true })
    expect(await database.get('a')).toBe('1')
    await database.close()
    expect(picture(location)).toBe(before)
  })
})
