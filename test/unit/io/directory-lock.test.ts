import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs'
import { hostname } from 'node:os'
import { join } from 'node:path'
import { Worker } from 'node:worker_threads'
import { describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import {
  acquireDirectoryLock,
  type DirectoryLock,
  type LockMeansAtHand,
  LockRegistry,
  type LockRequest,
} from '../../../src/io/directory-lock.ts'
import { isLocalVolume, type LockTool, SYSTEM_TOOLS } from '../../../src/io/kernel-lock.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { nodeFileSystem } from '../../../src/io/node-file-system.ts'
import { sharedTemporaryDirectory, temporaryDirectory } from '../../support/temp-directory.ts'
import type { OpenerReport } from './lock-opener.ts'
import { compiledOpener, OpenerProcess } from './opener-process.ts'

const opener = compiledOpener()

/** These tools and nothing else. */
function lockedBy(...tools: readonly LockTool[]): LockMeansAtHand {
  return { tools, substitutes: [], isLocal: isLocalVolume }
}

function acquire(directory: string, more: Partial<LockRequest> = {}): Promise<DirectoryLock> {
  const request: LockRequest = {
    fs: nodeFileSystem,
    registry: new LockRegistry(),
    directory,
    mode: 'exclusive',
    timeoutMs: 0,
    clock: systemClock,
    ...more,
  }
  return acquireDirectoryLock(request)
}

const startOpener = (): Promise<OpenerProcess> => OpenerProcess.start(opener)

function databaseDirectory(): string {
  const directory = join(temporaryDirectory(), 'db')
  mkdirSync(directory)
  return directory
}

const scripts = sharedTemporaryDirectory()
const NOT_THERE = { path: '/nonexistent/flock', firstArguments: [] }

/** A tool of our own. */
function fake(body: string, mode = 0o700, head = '#!/bin/sh\n'): LockTool {
  const path = join(scripts, `flock-${readdirSync(scripts).length}`)
  writeFileSync(path, `${head}${body}\n`, { mode })
  return { path, firstArguments: [] }
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

describe.runIf(process.platform === 'linux')('directory lock', () => {
  test('of eight processes that race for it, exactly one gets it, in every round', async () => {
    const directory = databaseDirectory()
    for (let round = 0; round < 3; round++) {
      const openers = await Promise.all(Array.from({ length: 8 }, startOpener))
      const reports = await Promise.all(
        openers.map((each) => each.order({ directory, mode: 'exclusive' })),
      )
      const winners = reports.filter((report) => 'taken' in report)
      const refused = reports.filter((report) => 'code' in report && report.code === 'LEVEL_LOCKED')
      expect([winners.length, refused.length]).toEqual([1, 7])
      await Promise.all(openers.map((each) => each.kill()))
    }
  })

  test('a killed owner frees it at once, and its record does not pass for an owner', async () => {
    const directory = databaseDirectory()
    const owner = await startOpener()
    expect(await owner.order({ directory, mode: 'exclusive' })).toEqual({ taken: true })
    await owner.kill()
    expect(readFileSync(join(directory, 'LOCK'), 'utf8')).toContain(`"pid":${owner.pid}`)
    const lock = await acquire(directory, { mode: 'shared' })
    await expect(acquire(directory)).rejects.toMatchObject({
      code: 'LEVEL_LOCKED',
      message: expect.stringContaining(`process ${owner.pid} on ${hostname()}, which is gone`),
    })
    lock.release()
    ;(await acquire(directory)).release()
  })

  test('the refusal names the process that has it and what to do', async () => {
    const directory = databaseDirectory()
    const owner = await startOpener()
    await owner.order({ directory, mode: 'exclusive' })
    await expect(acquire(directory)).rejects.toMatchObject({
      code: 'LEVEL_LOCKED',
      message: expect.stringMatching(
        new RegExp(`in use by process ${owner.pid} on ${hostname()}, since \\d{4}-.*lockTimeout`),
      ),
    })
    await owner.letGo()
    ;(await acquire(directory)).release()
  })

  test('a second opener of the same process is refused without asking the kernel', async () => {
    const directory = databaseDirectory()
    const registry = new LockRegistry()
    const lock = await acquire(directory, { registry })
    const link = `${directory}-link`
    symlinkSync(directory, link)
    for (const path of [directory, link]) {
      await expect(acquire(path, { registry, means: lockedBy() })).rejects.toMatchObject({
        code: 'LEVEL_LOCKED',
        message: expect.stringContaining(`this process (${process.pid}`),
      })
    }
    lock.release()
    lock.release()
    ;(await acquire(link, { registry })).release()
  })

  test('a path through a symbolic link leads to the same lock, also for another registry', async () => {
    const directory = databaseDirectory()
    const link = `${directory}-link`
    symlinkSync(directory, link)
    const lock = await acquire(directory)
    await expect(acquire(link)).rejects.toMatchObject({ code: 'LEVEL_LOCKED' })
    lock.release()
  })

  test('a worker thread is refused, and may take it once it is free', async () => {
    const directory = databaseDirectory()
    const report = async (): Promise<OpenerReport> => {
      const worker = new Worker(opener, { workerData: { directory, mode: 'exclusive' } })
      const answer = await new Promise<OpenerReport>((resolve, reject) => {
        worker.once('message', resolve)
        worker.once('error', reject)
      })
      await worker.terminate()
      return answer
    }
    const lock = await acquire(directory)
    expect(await report()).toMatchObject({ code: 'LEVEL_LOCKED' })
    lock.release()
    expect(await report()).toEqual({ taken: true })
    // Terminating the thread closed its descriptor.
    ;(await acquire(directory)).release()
  })

  test('readers share it, within a process and between processes; a writer excludes them', async () => {
    const directory = databaseDirectory()
    const registry = new LockRegistry()
    ;(await acquire(directory, { registry })).release()
    const other = await startOpener()
    expect(await other.order({ directory, mode: 'shared' })).toEqual({ taken: true })
    const first = await acquire(directory, { registry, mode: 'shared' })
    const second = await acquire(directory, { registry, mode: 'shared' })
    await expect(acquire(directory, { registry })).rejects.toMatchObject({ code: 'LEVEL_LOCKED' })
    first.release()
    second.release()
    await expect(acquire(directory, { registry })).rejects.toMatchObject({
      code: 'LEVEL_LOCKED',
      message: expect.stringContaining('read-only opener'),
    })
    await other.letGo()
    const writer = await acquire(directory, { registry })
    await expect(acquire(directory, { mode: 'shared' })).rejects.toMatchObject({
      code: 'LEVEL_LOCKED',
    })
    writer.release()
  })

  test('a reader without LOCK writes nothing and keeps writers out', async () => {
    const directory = databaseDirectory()
    writeFileSync(join(directory, 'CURRENT'), '')
    const registry = new LockRegistry()
    const reader = await acquire(directory, { registry, mode: 'shared' })
    const another = await acquire(directory, { mode: 'shared' })
    expect(readdirSync(directory)).toEqual(['CURRENT'])
    await expect(acquire(directory)).rejects.toMatchObject({ code: 'LEVEL_LOCKED' })
    expect(existsSync(join(directory, 'LOCK'))).toBe(false)
    reader.release()
    another.release()
    const writer = await acquire(directory)
    await expect(acquire(directory, { mode: 'shared' })).rejects.toMatchObject({
      code: 'LEVEL_LOCKED',
    })
    writer.release()
  })

  test('a reader of a directory without a database is told so, and nothing appears in it', async () => {
    const directory = databaseDirectory()
    const code = 'SETT_NOT_A_DATABASE'
    await expect(acquire(directory, { mode: 'shared' })).rejects.toMatchObject({ code })
    expect(readdirSync(directory)).toEqual([])
    await expect(acquire(join(directory, 'none'))).rejects.toMatchObject({ code })
  })

  test('lockTimeout waits until the owner lets go, and not longer than it says', async () => {
    const directory = databaseDirectory()
    const registry = new LockRegistry()
    const lock = await acquire(directory, { registry })
    const started = performance.now()
    await expect(acquire(directory, { registry, timeoutMs: 60 })).rejects.toMatchObject({
      code: 'LEVEL_LOCKED',
    })
    expect(performance.now() - started).toBeGreaterThanOrEqual(55)
    const waiting = [
      acquire(directory, { registry, timeoutMs: 20_000 }),
      acquire(directory, { timeoutMs: 20_000 }),
    ]
    lock.release()
    const next = await Promise.race(waiting)
    next.release()
    for (const other of await Promise.all(waiting)) other.release()
  })

  test('LOCK is for people: mode 0600, one line of JSON, empty once released', async () => {
    const directory = databaseDirectory()
    const lock = await acquire(directory)
    const path = join(directory, 'LOCK')
    const record: unknown = JSON.parse(readFileSync(path, 'utf8'))
    expect(record).toMatchObject({ pid: process.pid, host: hostname() })
    expect(statSync(path).mode & 0o777).toBe(0o600)
    lock.release()
    expect(statSync(path).size).toBe(0)
  })

  test('whatever LOCK contains, a refusal is a refusal', async () => {
    for (const content of ['', '{', 'null', '[]', '{"pid":-1}', '{"pid":"x"}', 'x'.repeat(5_000)]) {
      const directory = databaseDirectory()
      writeFileSync(join(directory, 'LOCK'), content)
      const reader = await acquire(directory, { mode: 'shared' })
      await expect(acquire(directory)).rejects.toMatchObject({
        code: 'LEVEL_LOCKED',
        message: expect.stringContaining('another process that left no name'),
      })
      reader.release()
    }
  })

  test('a symbolic link in the place of LOCK is not followed', async () => {
    const directory = databaseDirectory()
    const victim = join(temporaryDirectory(), 'victim')
    writeFileSync(victim, 'precious')
    symlinkSync(victim, join(directory, 'LOCK'))
    await expect(acquire(directory)).rejects.toMatchObject({ code: 'ELOOP' })
    expect(readFileSync(victim, 'utf8')).toBe('precious')
  })

  test('a lock on a LOCK that was replaced meanwhile does not count', async () => {
    const directory = databaseDirectory()
    const first = await acquire(directory)
    rmSync(join(directory, 'LOCK'))
    // The fake tool replaces LOCK between the opening and the look at what was locked.
    const script = join(temporaryDirectory(), 'flock')
    writeFileSync(script, `#!/bin/sh\nrm ${directory}/LOCK\n: > ${directory}/LOCK\nexit 0\n`, {
      mode: 0o700,
    })
    const means = lockedBy({ path: script, firstArguments: [] })
    await expect(acquire(directory, { means })).rejects.toMatchObject({ code: 'LEVEL_LOCKED' })
    first.release()
  })

  test.each([
    ['no tool at all', []],
    ['a tool that is not there', [NOT_THERE]],
    ['a tool that may not be run', [fake('exit 0', 0o600)]],
    ['a folder in its place', [{ path: '/usr', firstArguments: [] }]],
    ['a file below a file', [{ path: '/bin/sh/flock', firstArguments: [] }]],
    ['a busybox without that applet', [fake('exit 127')]],
    ['a tool that fails', [fake('exit 71')]],
    ['a tool that fails behind one that is missing', [NOT_THERE, fake('exit 2')]],
    ['a tool that is ended', [fake('kill -KILL $$')]],
    ['a script for what is not there', [fake('exit 0', 0o700, '#!/nonexistent\n')]],
  ])('%s: opening is refused and says what to install', async (_, tools) => {
    const directory = databaseDirectory()
    const before = openDescriptors()
    for (const mode of ['exclusive', 'shared'] as const) {
      writeFileSync(join(directory, 'LOCK'), '')
      await expect(acquire(directory, { mode, means: lockedBy(...tools) })).rejects.toMatchObject({
        code: 'SETT_LOCK_UNAVAILABLE',
        message: expect.stringMatching(/util-linux.*lock: 'none'/),
      })
    }
    expect(openDescriptors()).toBe(before)
    ;(await acquire(directory)).release()
  })

  test('a lock that is given twice is none, nor are flags that do nothing', async () => {
    const directory = databaseDirectory()
    const code = 'SETT_LOCK_UNAVAILABLE'
    const message = expect.stringMatching(/grants one lock twice.*lock: 'none'/)
    const isLocal = (): boolean => false
    // The second is empty, which a shell takes for a script that succeeds.
    for (const means of [lockedBy(fake('exit 0')), lockedBy(fake('', 0o700, ''))]) {
      for (const each of [means, { ...means, isLocal }]) {
        await expect(acquire(directory, { means: each })).rejects.toMatchObject({ code, message })
      }
    }
    const real = { tools: SYSTEM_TOOLS, substitutes: [], isLocal }
    ;(await acquire(directory, { means: real })).release()
    const { platform } = process
    onTestFinished(() => void Object.defineProperty(process, 'platform', { value: platform }))
    for (const other of ['darwin', 'freebsd', 'win32']) {
      Object.defineProperty(process, 'platform', { value: other })
      const means = { ...real, isLocal: isLocalVolume }
      await expect(acquire(directory, { means })).rejects.toMatchObject({ code, message })
    }
    Object.defineProperty(process, 'platform', { value: 'aix' })
    await expect(acquire(directory)).rejects.toMatchObject({ code })
  })

  test('check() notices that LOCK or the directory is gone or another', async () => {
    const code = 'SETT_POISONED'
    const harm: readonly (readonly [string, (directory: string) => void])[] = [
      ['LOCK removed', (directory) => rmSync(join(directory, 'LOCK'))],
      [
        'LOCK replaced',
        (directory) => {
          writeFileSync(join(directory, 'other'), readFileSync(join(directory, 'LOCK')))
          renameSync(join(directory, 'other'), join(directory, 'LOCK'))
        },
      ],
      ['directory removed', (directory) => rmSync(directory, { recursive: true })],
      [
        'directory replaced',
        (directory) => {
          renameSync(directory, `${directory}-old`)
          mkdirSync(directory)
        },
      ],
    ]
    for (const [what, act] of harm) {
      const directory = databaseDirectory()
      const lock = await acquire(directory)
      lock.check()
      act(directory)
      expect(() => lock.check(), what).toThrow(expect.objectContaining({ code }))
      lock.release()
    }
  })

  test('no descriptor is left behind, whatever the outcome', async () => {
    const directory = databaseDirectory()
    ;(await acquire(directory)).release()
    const before = openDescriptors()
    const lock = await acquire(directory)
    await expect(acquire(directory)).rejects.toThrow()
    await expect(acquire(directory, { mode: 'shared' })).rejects.toThrow()
    await expect(acquire(directory, { means: lockedBy() })).rejects.toThrow()
    lock.release()
    for (let i = 0; i < 5; i++) (await acquire(directory, { mode: 'shared' })).release()
    expect(openDescriptors()).toBe(before)
  })

  test('a child started while the lock is held neither inherits nor prolongs it', async () => {
    const directory = databaseDirectory()
    const lock = await acquire(directory)
    const child = spawn('/bin/sleep', ['30'], { stdio: 'ignore' })
    onTestFinished(() => void child.kill('SIGKILL'))
    await new Promise((resolve) => child.once('spawn', resolve))
    lock.release()
    ;(await acquire(directory)).release()
  })
})

test('a directory in memory needs no lock', async () => {
  const fs = memoryFileSystem()
  const means = lockedBy()
  const both = [acquire('anywhere', { fs, means }), acquire('anywhere', { fs, means })]
  for (const lock of await Promise.all(both)) lock.release()
})
