// Records that somebody forged, or that a crash left: when one may be disregarded, and what an opener makes of it.
import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { beforeAll, describe, expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import {
  acquireDirectoryLock,
  type DirectoryLock,
  type LockMeansAtHand,
  LockRegistry,
} from '../../../src/io/directory-lock.ts'
import { isLocalVolume } from '../../../src/io/kernel-lock.ts'
import { fateOf, parseRecord } from '../../../src/io/lock-record.ts'
import { nodeFileSystem } from '../../../src/io/node-file-system.ts'
import type { Substitute } from '../../../src/io/substitute-lock.ts'
import { sharedTemporaryDirectory, temporaryDirectory } from '../../support/temp-directory.ts'

type Fields = Readonly<Record<string, unknown>>
type Verdict = 'unreadable' | 'gone' | 'alive' | 'unknown'

const place = sharedTemporaryDirectory()
/** What this process writes about itself. */
let own: Fields
let ended: number

/** Gives a lock to everyone, so that the record alone decides. */
const generous: Substitute = { means: 'socket', take: async () => () => undefined }

function acquire(directory: string, means?: Partial<LockMeansAtHand>): Promise<DirectoryLock> {
  return acquireDirectoryLock({
    fs: nodeFileSystem,
    registry: new LockRegistry(),
    directory,
    mode: 'exclusive',
    timeoutMs: 0,
    clock: systemClock,
    ...(means === undefined
      ? {}
      : { means: { tools: [], substitutes: [generous], isLocal: isLocalVolume, ...means } }),
  })
}

function databaseDirectory(): string {
  const directory = join(temporaryDirectory(), 'db')
  mkdirSync(directory)
  return directory
}

const json = (fields: Fields): string => JSON.stringify(fields)
const without = (name: string): Fields => ({ ...own, [name]: undefined })
const other = (fields: Fields): (() => string) => {
  return () => json({ ...own, ...fields })
}

const FORMS: readonly (readonly [string, () => string, Verdict])[] = [
  ['a brace', () => '{', 'unreadable'],
  ['spaces', () => '   ', 'unreadable'],
  ['zeros', () => '\0'.repeat(64), 'unreadable'],
  ['noise', () => '\u00ff\u00fe\u0001{}', 'unreadable'],
  ['a long line', () => 'x'.repeat(5_000), 'unreadable'],
  ['null', () => 'null', 'unreadable'],
  ['true', () => 'true', 'unreadable'],
  ['a number', () => '1', 'unreadable'],
  ['a string', () => '"1"', 'unreadable'],
  ['an array', () => '[1]', 'unreadable'],
  ['an empty object', () => '{}', 'unreadable'],
  ['no pid', () => json(without('pid')), 'unreadable'],
  ['pid 0, which would ask the whole group', other({ pid: 0 }), 'unreadable'],
  ['pid -1, which would ask everyone', other({ pid: -1 }), 'unreadable'],
  ['a fraction', other({ pid: 1.5 }), 'unreadable'],
  ['a pid as text', other({ pid: '1' }), 'unreadable'],
  ['pid null', other({ pid: null }), 'unreadable'],
  ['pid true', other({ pid: true }), 'unreadable'],
  ['a list of pids', other({ pid: [1] }), 'unreadable'],
  ['a pid beyond all numbers', () => `{"pid":1e999}`, 'unreadable'],
  ['a pid beyond exact numbers', other({ pid: 2 ** 53 }), 'unreadable'],
  ['half a record', () => json(own).slice(0, 40), 'unreadable'],
  ['a record and more', () => `${json(own)}x`, 'unreadable'],
  ['two records', () => `${json(own)}\n${json(own)}`, 'unreadable'],
  ['a record behind a byte order mark', () => `\ufeff${json(own)}`, 'unreadable'],
  ['a record longer than is read', other({ more: 'x'.repeat(2_000) }), 'unreadable'],
  ['this process', () => json(own), 'alive'],
  ['this process, spread out', () => JSON.stringify(own, null, 2), 'alive'],
  ['this process, and more about it', other({ more: [{}], constructor: 1 }), 'alive'],
  ['the same under another host name', other({ host: 'elsewhere' }), 'alive'],
  ['the same without a host', () => json(without('host')), 'alive'],
  ['the same by unknown means', other({ by: 'magic' }), 'alive'],
  ['the same with a broken time', other({ started: 7 }), 'alive'],
  ['the process that started all others', other({ pid: 1, processStart: '1' }), 'gone'],
  ['its pid, started at another time', other({ processStart: '17' }), 'gone'],
  ['a process that ended', () => json({ ...own, pid: ended }), 'gone'],
  ['a pid no system gives', other({ pid: 2 ** 31 }), 'gone'],
  ['a pid that would wrap around', () => json({ ...own, pid: process.pid + 2 ** 32 }), 'gone'],
  ['an earlier boot of this host', other({ boot: 'earlier' }), 'gone'],
  ['an earlier boot, long ago', other({ boot: 'earlier', pid: 1, processStart: '1' }), 'gone'],
  ['an earlier boot, another namespace', other({ boot: 'earlier', pidNamespace: 'x' }), 'gone'],
  ['another host', other({ boot: 'other', host: 'elsewhere' }), 'unknown'],
  ['another boot, no host', other({ boot: 'other', host: undefined }), 'unknown'],
  ['no boot', () => json(without('boot')), 'unknown'],
  ['a boot that is a number', other({ boot: 1 }), 'unknown'],
  ['another namespace', other({ pidNamespace: 'pid:[1]' }), 'unknown'],
  [
    'another namespace, pid ended',
    () => json({ ...own, pid: ended, pidNamespace: 'x' }),
    'unknown',
  ],
  ['no namespace', () => json(without('pidNamespace')), 'unknown'],
  ['no start', () => json(without('processStart')), 'unknown'],
  ['a start that is a number', other({ processStart: 17 }), 'unknown'],
]

beforeAll(async () => {
  const lock = await acquire(place)
  own = JSON.parse(readFileSync(join(place, 'LOCK'), 'utf8')) as Fields
  lock.release()
  ended = spawnSync('/bin/true').pid
})

describe.runIf(process.platform === 'linux')('a record', () => {
  test('there are fifty forms', () => {
    expect(FORMS.length).toBe(50)
    expect(Object.keys(own).sort()).toEqual(
      ['boot', 'by', 'host', 'pid', 'pidNamespace', 'processStart', 'started'].sort(),
    )
  })

  test.each(FORMS)('%s', async (_, form, verdict) => {
    const text = form()
    const cut = Buffer.from(text).subarray(0, 1_024).toString()
    const record = parseRecord(cut)
    expect(record === 'unreadable' ? record : fateOf(record)).toBe(verdict)
    // Where records decide: only that of a process that is gone gives way; no other is touched.
    for (const name of ['LOCK.owner', 'LOCK']) {
      const directory = databaseDirectory()
      const path = join(directory, name)
      writeFileSync(path, text)
      if (verdict === 'gone') {
        ;(await acquire(directory, {})).release()
        continue
      }
      await expect(acquire(directory, {})).rejects.toMatchObject({
        code: 'LEVEL_LOCKED',
        message: expect.stringContaining(`as ${path} says`),
      })
      expect(readFileSync(path, 'utf8')).toBe(Buffer.from(text).toString())
      expect(readdirSync(directory)).toEqual([...new Set(['LOCK', name])])
    }
    // Where the kernel decides: a record in LOCK is no reason to refuse, whatever it says.
    const directory = databaseDirectory()
    writeFileSync(join(directory, 'LOCK'), text)
    ;(await acquire(directory)).release()
    expect(readFileSync(join(directory, 'LOCK'), 'utf8')).toBe('')
  })

  test('a stopped process lives; one that only waits for its parent to notice its end does not', async () => {
    const parent = spawn('/bin/sh', ['-c', 'sleep 0 & echo $!; exec sleep 30'])
    onTestFinished(() => void parent.kill('SIGKILL'))
    const [line] = await new Promise<[Buffer]>((resolve) => {
      parent.stdout.once('data', (...lines: [Buffer]) => resolve(lines))
    })
    const zombie = Number(line.toString())
    const start = (pid: number): { processStart: string; state: string } => {
      const fields = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ')[1]!.split(' ')
      return { state: fields[0]!, processStart: fields[19]! }
    }
    while (start(zombie).state !== 'Z') await new Promise((resolve) => setTimeout(resolve, 5))
    const pid = parent.pid ?? 0
    parent.kill('SIGSTOP')
    const fate = (of: number): string => {
      const record = parseRecord(json({ ...own, pid: of, processStart: start(of).processStart }))
      return record === 'unreadable' ? record : fateOf(record)
    }
    expect(fate(zombie)).toBe('gone')
    expect(fate(pid)).toBe('alive')
  })
})
