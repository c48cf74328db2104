// Locks for a Linux without the flock tool, between real processes. SQLite's part runs on a Node that has it: this
// one, or one that `npm run test:nodes` fetched.
import { execFileSync } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import { acquireDirectoryLock, LockRegistry } from '../../../src/io/directory-lock.ts'
import { lockState } from '../../../src/io/lock-holder.ts'
import { nodeFileSystem } from '../../../src/io/node-file-system.ts'
import { socketLock } from '../../../src/io/substitute-lock.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'
import type { OpenerOrder } from './lock-opener.ts'
import { compiledOpener, OpenerProcess } from './opener-process.ts'

const program = compiledOpener()
const sqliteRuntime = findSqlite()
const linux = process.platform === 'linux'

/** A Node with node:sqlite. */
function findSqlite(): string | undefined {
  const binary = `node_modules/node-linux-${process.arch}/bin/node`
  const fetched = [26, 24, 22].map((line) => join(tmpdir(), `sett-runtimes/node${line}`, binary))
  const script = "process.exit(process.getBuiltinModule?.('node:sqlite') === undefined ? 1 : 0)"
  return [process.execPath, ...fetched.filter(existsSync)].find((runtime) => {
    try {
      execFileSync(runtime, ['-e', script], { stdio: 'ignore' })
      return true
    } catch {
      return false
    }
  })
}

function databaseDirectory(): string {
  const directory = join(temporaryDirectory(), 'db')
  mkdirSync(directory)
  return directory
}

type By = 'kernel' | 'sqlite' | 'socket'

async function opener(by: By): Promise<{
  process: OpenerProcess
  open(directory: string, mode?: OpenerOrder['mode']): ReturnType<OpenerProcess['order']>
}> {
  const runtime = by === 'sqlite' ? sqliteRuntime : process.execPath
  const started = await OpenerProcess.start(program, runtime)
  return {
    process: started,
    open: (directory, mode = 'exclusive') =>
      started.order({ directory, mode, ...(by === 'kernel' ? {} : { by }) }),
  }
}

const TAKEN = { taken: true }

function refusedFor(pid: number): unknown {
  return {
    code: 'LEVEL_LOCKED',
    message: expect.stringContaining(`process ${pid} on ${hostname()}`),
  }
}

function suite(by: 'sqlite' | 'socket', files: readonly string[]): void {
  test('one writer, whom the other is told; free at once when it is killed', async () => {
    const directory = databaseDirectory()
    const [first, second, third] = await Promise.all([opener(by), opener(by), opener(by)])
    expect(await first.open(directory)).toEqual(TAKEN)
    expect(await second.open(directory)).toEqual(refusedFor(first.process.pid))
    expect(readdirSync(directory).sort()).toEqual([...files, 'LOCK.owner'].sort())
    expect(statSync(join(directory, 'LOCK.owner')).mode & 0o777).toBe(0o600)
    await first.process.kill()
    expect(await third.open(directory)).toEqual(TAKEN)
    await third.process.letGo()
    expect(readdirSync(directory).sort()).toEqual(files)
    for (const file of files) {
      expect(statSync(join(directory, file))).toMatchObject({ size: 0 })
      expect(statSync(join(directory, file)).mode & 0o777).toBe(0o600)
    }
  })

  test('openers by other means are kept out both ways, and told by whom', async () => {
    for (const [one, two] of [
      [by, 'kernel'],
      ['kernel', by],
    ] as const) {
      const directory = databaseDirectory()
      const [first, second] = await Promise.all([opener(one), opener(two)])
      expect(await first.open(directory)).toEqual(TAKEN)
      expect(await second.open(directory)).toEqual(refusedFor(first.process.pid))
      await first.process.kill()
      const [writer, reader] = await Promise.all([opener(two), opener(one)])
      expect(await writer.open(directory)).toEqual(TAKEN)
      expect(await reader.open(directory, 'shared')).toEqual(refusedFor(writer.process.pid))
    }
  })

  test('of a mixed crowd at most one gets it', async () => {
    const directory = databaseDirectory()
    for (let round = 0; round < 3; round++) {
      const means: readonly By[] = [by, by, by, 'kernel', 'kernel']
      const openers = await Promise.all(means.map(opener))
      const reports = await Promise.all(openers.map((each) => each.open(directory)))
      const taken = reports.filter((report) => 'taken' in report).length
      expect(taken).toBeLessThanOrEqual(1)
      const refused = reports.filter((report) => 'code' in report && report.code === 'LEVEL_LOCKED')
      expect(taken + refused.length).toBe(means.length)
      await Promise.all(openers.map((each) => each.process.kill()))
    }
  })
}

describe.runIf(linux)('a socket as the lock', () => {
  suite('socket', ['LOCK'])

  test('within one process too; a reader has it alone and leaves nothing', async () => {
    const directory = databaseDirectory()
    writeFileSync(join(directory, 'CURRENT'), '')
    const acquire = (mode: OpenerOrder['mode']) =>
      acquireDirectoryLock({
        fs: nodeFileSystem,
        registry: new LockRegistry(),
        directory,
        mode,
        timeoutMs: 0,
        clock: systemClock,
        means: { tools: [], substitutes: [socketLock], isLocal: () => true },
      })
    const reader = await acquire('shared')
    await expect(acquire('shared')).rejects.toMatchObject({ code: 'LEVEL_LOCKED' })
    await expect(acquire('exclusive')).rejects.toMatchObject({ code: 'LEVEL_LOCKED' })
    expect(readdirSync(directory)).toEqual(['CURRENT'])
    reader.release()
    const writer = await acquire('exclusive')
    await expect(acquire('exclusive')).rejects.toMatchObject({ code: 'LEVEL_LOCKED' })
    writer.check()
    expect(await lockState(nodeFileSystem, directory)).toMatchObject({
      state: 'held',
      running: true,
      record: { pid: process.pid, by: 'socket' },
    })
    rmSync(join(directory, 'LOCK.owner'))
    expect(() => writer.check()).toThrow(expect.objectContaining({ code: 'SETT_POISONED' }))
    writer.release()
  })

  test('on a volume whose locks are not known to be local nothing stands in', async () => {
    const directory = databaseDirectory()
    const refused = acquireDirectoryLock({
      fs: nodeFileSystem,
      registry: new LockRegistry(),
      directory,
      mode: 'exclusive',
      timeoutMs: 0,
      clock: systemClock,
      means: { tools: [], substitutes: [socketLock], isLocal: () => false },
    })
    await expect(refused).rejects.toMatchObject({ code: 'SETT_LOCK_UNAVAILABLE' })
    expect(readdirSync(directory)).toEqual(['LOCK'])
  })
})

const title =
  sqliteRuntime === undefined
    ? `SQLite as the lock: SKIPPED, node:sqlite is missing from Node ${process.version}`
    : 'SQLite as the lock'

describe.runIf(linux && sqliteRuntime !== undefined)(title, () => {
  suite('sqlite', ['LOCK', 'LOCK.db'])

  test('readers share it, and write nothing, not even where LOCK.db is missing', async () => {
    const directory = databaseDirectory()
    const [writer, first, second, late] = await Promise.all(
      Array.from({ length: 4 }, () => opener('sqlite')),
    )
    const early = await opener('sqlite')
    writeFileSync(join(directory, 'CURRENT'), '')
    expect(await early.open(directory, 'shared')).toMatchObject({ code: 'SETT_LOCK_UNAVAILABLE' })
    expect(readdirSync(directory)).toEqual(['CURRENT'])
    writeFileSync(join(directory, 'LOCK.db'), '', { mode: 0o400 })
    expect(await first!.open(directory, 'shared')).toEqual(TAKEN)
    expect(await second!.open(directory, 'shared')).toEqual(TAKEN)
    expect(await writer!.open(directory)).toMatchObject({ code: 'LEVEL_LOCKED' })
    expect(readdirSync(directory).sort()).toEqual(['CURRENT', 'LOCK.db'])
    await Promise.all([first!.process.kill(), second!.process.kill()])
    expect(await late!.open(directory)).toEqual(TAKEN)
  })

  test('what stands in the place of LOCK.db and is no empty database refuses', async () => {
    const forms: readonly ((path: string) => void)[] = [
      (path) => mkdirSync(path),
      (path) => symlinkSync(join(path, '../victim'), path),
      (path) => writeFileSync(path, 'no database, and long enough to be looked at. '.repeat(90)),
    ]
    for (const form of forms) {
      const directory = databaseDirectory()
      form(join(directory, 'LOCK.db'))
      const one = await opener('sqlite')
      expect(await one.open(directory)).toMatchObject({ code: 'SETT_LOCK_UNAVAILABLE' })
      expect(existsSync(join(directory, 'victim'))).toBe(false)
      expect(existsSync(join(directory, 'LOCK.owner'))).toBe(false)
    }
  })

  test('its lock outweighs a record that cannot be judged from here', async () => {
    const directory = databaseDirectory()
    const first = await opener('sqlite')
    await first.open(directory)
    const path = join(directory, 'LOCK.owner')
    const record = JSON.parse(readFileSync(path, 'utf8')) as object
    await first.process.kill()
    writeFileSync(path, JSON.stringify({ ...record, pidNamespace: 'pid:[1]', pid: 1 }))
    const second = await opener('sqlite')
    expect(await second.open(directory)).toEqual(TAKEN)
  })
})
