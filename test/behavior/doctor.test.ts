// sett doctor: sees who has the database open, torn ends and wide permissions, and never writes.
import { chmodSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import { open } from '../../src/index.ts'
import { examine } from '../../src/inspect/doctor/doctor.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { lockState } from '../../src/io/lock-holder.ts'
import { memoryFileSystem } from '../../src/io/memory-file-system.ts'
import { sett } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const SMALL = { workers: 0, memtableSize: 65_536, memoryBudget: 8 * 1024 * 1024 }

/** Reads as the other does, and throws at everything else. */
function readingOnly(inner: FileSystem): FileSystem {
  const refuse = (): never => {
    throw new Error('a write')
  }
  return {
    inMemory: inner.inMemory,
    openSync: (path, mode) => (mode === 'read' ? inner.openSync(path, mode) : refuse()),
    listSync: (path) => inner.listSync(path),
    statSync: (path) => inner.statSync(path),
    spaceSync: (path) => inner.spaceSync(path),
    makeDirectorySync: refuse,
    renameSync: refuse,
    removeSync: refuse,
    remove: refuse,
    syncDirectorySync: refuse,
    syncDirectory: refuse,
  }
}

it('reads only, also a log that a crash cut short', async () => {
  const inner = memoryFileSystem()
  const engine = await openEngine('/db', resolveOptions(SMALL), { fs: inner })
  for (let i = 0; i < 100; i++) await engine.put(`key ${i}`, 'x'.repeat(100), {})
  await engine.flush()
  await engine.put('last', 'x'.repeat(100), {})
  const image = memoryFileSystem()
  image.makeDirectorySync('/db')
  for (const name of inner.listSync('/db')) {
    const source = inner.openSync(`/db/${name}`, 'read')
    const bytes = Buffer.alloc(source.sizeSync())
    source.readSync(bytes, 0)
    const torn = name.endsWith('.wal') && bytes.length > 64 ? bytes.subarray(0, -10) : bytes
    image.openSync(`/db/${name}`, 'create').writeSync(torn, 0)
  }
  await engine.close()
  const fs = readingOnly(image)
  const lock = await lockState(fs, '/db')
  const report = examine({ fs, directory: '/db', lock })
  expect(report).toMatchObject({ healthy: true, lock: { state: 'free' } })
  expect(report.manifest).toMatchObject({ closedCleanly: false, formatVersion: 1 })
  expect(report.findings).toMatchObject([{ severity: 'note', what: /cut short/ }])
})

it('tells who has it open, and that permissions are too wide', async () => {
  const directory = temporaryDirectory()
  const db = await open(directory, SMALL)
  await db.put('a', '1')
  const used = JSON.parse((await sett('doctor', '--db', directory, '--json')).stdout)
  expect(used.lock).toMatchObject({ state: 'held', pid: process.pid })
  expect(used.healthy).toBe(true)
  await db.close()
  chmodSync(directory, 0o755)
  writeFileSync(join(directory, 'CURRENT.tmp'), '', { mode: 0o600 })
  chmodSync(join(directory, 'CURRENT'), 0o640)
  const { code, stdout } = await sett('doctor', '--db', directory)
  expect(code).toBe(1)
  expect(stdout).toMatch(/lock +free/)
  expect(stdout).toMatch(/warning: .*\n.*directory \(mode 0755\)/)
  expect(stdout).toMatch(/warning: .*CURRENT\n.*mode 0640/)
  expect(stdout).toMatch(/Next: chmod 600/)
})

it('of a sound database finds nothing, and of none says so', async () => {
  const directory = temporaryDirectory()
  const db = await open(directory, SMALL)
  await db.close()
  expect((await sett('doctor', '--db', directory)).code).toBe(0)
  expect((await sett('verify', '--db', directory)).code).toBe(0)
  const none = await sett('doctor', '--db', join(directory, 'none'))
  expect(none.code).toBe(1)
  expect(none.stderr).toMatch(/^LEVEL_IO_ERROR: .*ENOENT/)
})
