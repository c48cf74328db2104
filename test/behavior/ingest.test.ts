import { execFileSync, spawnSync } from 'node:child_process'
import {
  appendFileSync,
  chmodSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it, onTestFinished, vi } from 'vitest'
import { ByteGate } from '../../src/adapters/cli/ingest/byte-gate.ts'
import { readSource } from '../../src/adapters/cli/ingest/read-source.ts'
import type { IngestReport } from '../../src/adapters/cli/ingest/report.ts'
import { storeFiles } from '../../src/adapters/cli/ingest/store-files.ts'
import { streamSource } from '../../src/adapters/cli/ingest/stream-source.ts'
import { listFiles } from '../../src/adapters/cli/ingest/walk.ts'
import { Database, open } from '../../src/index.ts'
import { builtUrl } from '../support/built.ts'
import { sett } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const SMALL = ['--workers', '0', '--memtable-size', '256KiB', '--memory-budget', '32MiB']

/** Name below the directory → contents. */
function plant(directory: string, files: { readonly [name: string]: string | Buffer }): string {
  for (const [name, contents] of Object.entries(files)) {
    mkdirSync(join(directory, name, '..'), { recursive: true })
    writeFileSync(join(directory, name), contents)
  }
  return directory
}

/** A source and a place for temporary databases, beside each other. */
function workplace(): { source: string; temporary: string; root: string } {
  const root = temporaryDirectory()
  const temporary = join(root, 'tmp')
  const source = join(root, 'source')
  mkdirSync(temporary)
  mkdirSync(source)
  vi.stubEnv('TMPDIR', temporary)
  onTestFinished(() => void vi.unstubAllEnvs())
  return { source, temporary, root }
}

async function ingestJson(...given: string[]): Promise<{ code: number; report: IngestReport }> {
  const { code, stdout } = await sett('ingest', '--json', ...SMALL, ...given)
  return { code, report: JSON.parse(stdout) as IngestReport }
}

const MIXED = {
  empty: '',
  'one.txt': 'one',
  'a/two.txt': 'two',
  'a/b/three.bin': Buffer.alloc(3_000_000, 7),
  'c/four.txt': 'four',
}

describe('ingest', () => {
  it('stores, reads back, scans by prefix and prints tables', async () => {
    const { source, temporary } = workplace()
    plant(source, MIXED)
    const { code, stdout, stderr } = await sett('ingest', source, ...SMALL)
    expect(code).toBe(0)
    expect(stdout).toMatch(/^phase +files +MB +seconds +MB\/s +ops\/s/)
    expect(stdout).toMatch(/write +5 +3\.0/)
    expect(stdout).toMatch(/read +5 +3\.0/)
    expect(stdout).toMatch(/\na +2\n/)
    expect(stdout).toContain('all 5 files read back with the same SHA-256')
    expect(stderr).toContain('storing 5/5 files, 3.0 MB')
    expect(readdirSync(temporary)).toEqual([])
  })

  it('reports as JSON', async () => {
    const { source } = workplace()
    plant(source, MIXED)
    const { code, report } = await ingestJson(source)
    expect(code).toBe(0)
    expect(report).toMatchObject({
      files: 5,
      bytes: 3_000_010,
      links: 0,
      skipped: {},
      interrupted: false,
      checked: { files: 5, missing: 0, different: 0 },
      folders: [
        { name: '.', expected: 2, found: 2 },
        { name: 'a', expected: 2, found: 2 },
        { name: 'c', expected: 1, found: 1 },
      ],
    })
  })

  it('keeps the database when asked or named', async () => {
    const { source, temporary, root } = workplace()
    plant(source, { 'x/y': 'z' })
    const kept = await sett('ingest', source, '--keep', ...SMALL)
    expect(readdirSync(temporary)).toHaveLength(1)
    expect(kept.stderr).toContain(join(temporary, readdirSync(temporary)[0]!))
    const db = join(root, 'db')
    expect((await sett('ingest', source, '--db', db, ...SMALL)).code).toBe(0)
    expect((await sett('get', 'x/y', '--db', db)).stdout).toBe('z')
    plant(source, { 'x/z': 'later' })
    expect((await sett('ingest', source, '--db', db, ...SMALL)).code).toBe(0)
    expect((await sett('scan', '--no-values', '--db', db)).stdout).toBe('x/y\nx/z\n')
  })

  it('an empty directory is fine', async () => {
    const { source } = workplace()
    const { code, report } = await ingestJson(source)
    expect({ code, files: report.files }).toEqual({ code: 0, files: 0 })
  })

  it('tells when a file comes back different or not at all', async () => {
    const { source } = workplace()
    plant(source, MIXED)
    for (const wrong of [Buffer.from('other'), undefined]) {
      const get = vi.spyOn(Database.prototype, 'get').mockResolvedValue(wrong as never)
      const { code, stdout, stderr } = await sett('ingest', source, ...SMALL)
      get.mockRestore()
      expect(code).toBe(1)
      expect(stdout).toMatch(wrong === undefined ? /5 files missing/ : /5 different/)
      expect(stderr).toMatch(/LEVEL_CORRUPTION: /)
    }
  })
})

describe('what ingest refuses or skips', () => {
  it('a database inside the source, by whatever way', async () => {
    const { source, root } = workplace()
    plant(source, MIXED)
    symlinkSync(source, join(root, 'way'))
    const before = readdirSync(source, { recursive: true }).length
    for (const db of [source, join(source, 'db'), join(root, 'way', 'deep', 'db')]) {
      const { code, stderr } = await sett('ingest', source, '--db', db, ...SMALL)
      expect(code).toBe(2)
      expect(stderr).toContain('inside the source')
    }
    vi.stubEnv('TMPDIR', source)
    expect((await sett('ingest', source, ...SMALL)).code).toBe(2)
    expect(readdirSync(source, { recursive: true })).toHaveLength(before)
    const beside = await sett('ingest', source, '--db', `${source}-db`, ...SMALL)
    expect(beside.code).toBe(0)
  })

  it('a file or nothing as source', async () => {
    const { root } = workplace()
    plant(root, { file: 'text' })
    expect((await sett('ingest', join(root, 'file'))).code).toBe(2)
    expect((await sett('ingest', join(root, 'missing'))).code).toBe(1)
  })

  it('symbolic links, loops included: counted, not followed, no failure', async () => {
    const { source, root } = workplace()
    plant(source, { 'a/one': '1' })
    plant(root, { outside: 'not ours' })
    symlinkSync('..', join(source, 'a', 'loop'))
    symlinkSync('self', join(source, 'self'))
    symlinkSync(join(root, 'outside'), join(source, 'link'))
    const { code, report } = await ingestJson(source)
    expect(code).toBe(0)
    expect(report).toMatchObject({ files: 1, links: 3, skipped: {} })
  })

  it('FIFO and socket: skipped, exit code 3', async () => {
    const { source } = workplace()
    plant(source, { one: '1' })
    execFileSync('mkfifo', [join(source, 'fifo')])
    const server = createServer().listen(join(source, 'socket'))
    await new Promise((resolve) => server.once('listening', resolve))
    const { code, report } = await ingestJson(source)
    server.close()
    expect(code).toBe(3)
    expect(report).toMatchObject({ files: 1, skipped: { 'not a regular file': 2 } })
  })

  it('unreadable file and directory: skipped, exit code 3', () => {
    const { source, root } = workplace()
    plant(source, { one: '1', secret: '2', 'hidden/three': '3' })
    chmodSync(root, 0o777)
    chmodSync(join(root, 'tmp'), 0o777)
    chmodSync(join(source, 'secret'), 0)
    chmodSync(join(source, 'hidden'), 0)
    onTestFinished(() => chmodSync(join(source, 'hidden'), 0o700))
    // The superuser reads everything, so the command runs as nobody.
    const nobody = process.getuid?.() === 0 ? { uid: 65_534, gid: 65_534 } : {}
    const command = fileURLToPath(new URL('src/adapters/cli/main.js', builtUrl))
    const given = [command, 'ingest', source, '--json', ...SMALL]
    const child = spawnSync(process.execPath, given, {
      ...nobody,
      encoding: 'utf8',
      env: process.env,
    })
    expect(child.status, child.stderr).toBe(3)
    const report = JSON.parse(child.stdout) as IngestReport
    expect(report).toMatchObject({ files: 1, skipped: { unreadable: 2 } })
  })

  it('a name that is not UTF-8 is kept as raw bytes and counted', async () => {
    const { source, root } = workplace()
    const name = Buffer.from([0x66, 0xff, 0xfe])
    writeFileSync(Buffer.concat([Buffer.from(`${source}/`), name]), 'raw')
    const db = join(root, 'db')
    const { code, report } = await ingestJson(source, '--db', db)
    expect(code).toBe(0)
    expect(report).toMatchObject({ files: 1, namesNotUtf8: 1 })
    expect((await sett('get', name.toString('hex'), '--hex', '--db', db)).stdout).toBe('726177\n')
  })

  it('a file as large as a commit may be goes alone', async () => {
    const { source } = workplace()
    plant(source, {
      a: Buffer.alloc(900_000),
      b: Buffer.alloc(8_250_000),
      c: Buffer.alloc(900_000),
    })
    const { code, report } = await ingestJson(source)
    expect({ code, files: report.files }).toEqual({ code: 0, files: 3 })
  })

  it('a file larger than one commit may be', async () => {
    const { source } = workplace()
    plant(source, { one: '1', huge: Buffer.alloc(9_000_000, 'huge ') })
    const { code, report } = await ingestJson(source)
    expect(code).toBe(0)
    expect(report).toMatchObject({ files: 2, skipped: {} })
  })

  it('a file longer than a value may be', async () => {
    const { source } = workplace()
    plant(source, { one: '1', huge: '' })
    truncateSync(join(source, 'huge'), 1024 * 1024 * 1024 + 1)
    const { code, report } = await ingestJson(source)
    expect(code).toBe(3)
    expect(report).toMatchObject({ files: 1, skipped: { 'too large': 1 } })
  })
})

describe('files that do not hold still', () => {
  it('changed once while read: read again', async () => {
    const path = join(temporaryDirectory(), 'file')
    writeFileSync(path, 'before')
    let reads = 0
    const result = await readSource(Buffer.from(path), {
      bytesMax: 100,
      afterRead: () => {
        if (reads++ === 0) appendFileSync(path, ', after')
      },
    })
    expect(result.ok && result.bytes.toString()).toBe('before, after')
    expect(reads).toBe(2)
  })

  it('changing all the time: skipped after the second try', async () => {
    const path = join(temporaryDirectory(), 'file')
    writeFileSync(path, 'x')
    let reads = 0
    const afterRead = (): void => {
      reads++
      appendFileSync(path, 'x')
    }
    const result = await readSource(Buffer.from(path), { bytesMax: 100, afterRead })
    expect(result).toEqual({ ok: false, reason: 'changed' })
    expect(reads).toBe(2)
  })

  it('changing while it is streamed: nothing of that try is stored', async () => {
    const path = join(temporaryDirectory(), 'file')
    writeFileSync(path, Buffer.alloc(3_000_000, 'a'))
    const database = await open<Buffer, Buffer>('db', {
      inMemory: true,
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
    })
    const store = Database.prototype.putStream
    let changes = 0
    async function* changing(source: AsyncIterable<Uint8Array>): AsyncGenerator<Uint8Array> {
      let change = changes-- > 0
      for await (const piece of source) {
        if (change) appendFileSync(path, 'b')
        change = false
        yield piece
      }
    }
    const streams = vi.spyOn(Database.prototype, 'putStream').mockImplementation(function (
      this: Database,
      key,
      source,
    ) {
      return store.call(this, key, changing(source as AsyncIterable<Uint8Array>))
    })
    onTestFinished(() => streams.mockRestore())
    const key = Buffer.from('key')
    const file = { path: Buffer.from(path), key, size: 3_000_000 }
    changes = 2
    expect(await streamSource(database, file)).toEqual({ ok: false, reason: 'changed' })
    expect(await database.get(key)).toBe(undefined)
    changes = 1
    const result = await streamSource(database, file)
    expect(result).toMatchObject({ ok: true, size: 3_000_003 })
    expect((await database.get(key))!.equals(readFileSync(path))).toBe(true)
    await database.close()
  })

  it('vanishing while read, or before: skipped', async () => {
    const directory = temporaryDirectory()
    const path = join(directory, 'file')
    writeFileSync(path, 'x')
    const afterRead = (): void => rmSync(path)
    const limits = { bytesMax: 100, afterRead }
    expect(await readSource(Buffer.from(path), limits)).toEqual({ ok: false, reason: 'vanished' })
    expect(await readSource(Buffer.from(path), limits)).toEqual({ ok: false, reason: 'vanished' })
    const skips: string[] = []
    const listing = await listFiles(
      join(directory, 'gone'),
      (reason) => skips.push(reason),
      () => false,
    )
    expect(listing.files).toEqual([])
    expect(skips).toEqual(['vanished'])
  })

  it('swapped for a link between listing and reading: not followed', async () => {
    const directory = temporaryDirectory()
    plant(directory, { target: 'secret' })
    symlinkSync('target', join(directory, 'file'))
    const result = await readSource(Buffer.from(join(directory, 'file')), { bytesMax: 100 })
    expect(result).toEqual({ ok: false, reason: 'not a regular file' })
  })
})

describe('Ctrl-C', () => {
  it('finishes the batch, closes, says what is stored, ends with 130', async () => {
    const { source, root } = workplace()
    const names = Array.from({ length: 2000 }, (_, i) => [`d${i % 7}/f${i}`, `contents ${i}`])
    plant(source, Object.fromEntries(names))
    const db = join(root, 'db')
    const listeners = process.listenerCount('SIGINT')
    const write = Database.prototype._batch
    const first = vi.spyOn(Database.prototype, '_batch').mockImplementation(function (
      this: Database,
      ...given
    ) {
      if (first.mock.calls.length === 1) process.emit('SIGINT')
      return write.apply(this, given)
    })
    const { code, stdout, stderr } = await sett('ingest', source, '--db', db, ...SMALL)
    first.mockRestore()
    expect(code).toBe(130)
    expect(stderr).toContain('Stopping')
    const stored = Number(/interrupted: ([\d,]+) files/.exec(stdout)?.[1]?.replace(',', ''))
    expect(stored).toBeGreaterThan(0)
    expect(stored).toBeLessThan(2000)
    const database = await open(db, { workers: 0 })
    expect(await database.keys().all()).toHaveLength(stored)
    await database.close()
    expect(process.listenerCount('SIGINT')).toBe(listeners)
  })

  it('removes the temporary database all the same', async () => {
    const { source, temporary } = workplace()
    plant(source, MIXED)
    const running = sett('ingest', source, ...SMALL)
    process.emit('SIGINT')
    expect((await running).code).toBe(130)
    expect(readdirSync(temporary)).toEqual([])
  })
})

describe('bytes in flight', () => {
  it('stay below the bound, and one alone always passes', async () => {
    const gate = new ByteGate(100)
    await gate.enter(500)
    const order: number[] = []
    const waiting = [60, 40, 1].map((bytes) => gate.enter(bytes).then(() => order.push(bytes)))
    await Promise.resolve()
    expect(order).toEqual([])
    gate.leave(500)
    await Promise.all(waiting.slice(0, 2))
    expect(order).toEqual([60, 40])
    expect(gate.taken).toBe(100)
    gate.leave(60)
    await waiting[2]
    expect(gate.taken).toBe(41)
  })

  it('many large files go through', async () => {
    const { source } = workplace()
    const large = Array.from({ length: 30 }, (_, i) => [`f${i}`, Buffer.alloc(2_500_000, i)])
    plant(source, Object.fromEntries(large))
    const database = await open<Buffer, Buffer>('db', {
      inMemory: true,
      memtableSize: 16 * 1024 * 1024,
      keyEncoding: 'buffer',
      valueEncoding: 'buffer',
    })
    const never = (): boolean => false
    const onSkip = (reason: string): never => expect.fail(reason)
    const { files } = await listFiles(source, onSkip, never)
    let seen = 0
    const stored = await storeFiles({
      database,
      files,
      bytesMax: 10_000_000,
      onSkip,
      onProgress: (count) => {
        seen = count
      },
      stopped: never,
    })
    expect({ stored: stored.length, seen }).toEqual({ stored: 30, seen: 30 })
    await database.close()
  })

  it('a failing write is told, and nothing hangs', async () => {
    const { source, temporary } = workplace()
    plant(source, MIXED)
    const failure = Object.assign(new Error('The disk is full.'), { code: 'SETT_DISK_FULL' })
    const write = vi.spyOn(Database.prototype, '_batch').mockRejectedValue(failure)
    const { code, stderr } = await sett('ingest', source, ...SMALL)
    write.mockRestore()
    expect(code).toBe(1)
    expect(stderr).toContain('SETT_DISK_FULL: The disk is full.')
    expect(existsSync(temporary) && readdirSync(temporary)).toEqual([])
  })
})
