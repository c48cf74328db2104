// Another process gets at a database that is open: LOCK, or the whole directory, was taken away under the first one, or
// both go without a lock. The first must notice before it changes or deletes anything, whatever it does next.
import { createHash } from 'node:crypto'
import { mkdirSync, readdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { type Database, open } from '../../src/index.ts'
import { compiledTests } from '../kill/compile-harness.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'
import type { RacerOrder } from './messages.ts'
import { RacerProcess } from './racer-process.ts'

const SMALL = { workers: 0, memtableSize: 65_536, memoryBudget: 8 * 1024 * 1024 }
const ENTRIES = 60

interface Theft {
  readonly lock: 'auto' | 'none'
  /** The data of before is still there. */
  readonly keeps: boolean
  readonly act: (directory: string) => void
}

const THEFTS: Readonly<Record<string, Theft>> = {
  'LOCK is removed': { lock: 'auto', keeps: true, act: (path) => rmSync(join(path, 'LOCK')) },
  'LOCK is replaced': {
    lock: 'auto',
    keeps: true,
    act(path) {
      writeFileSync(join(path, 'CURRENT.tmp'), '')
      renameSync(join(path, 'CURRENT.tmp'), join(path, 'LOCK'))
    },
  },
  'the directory is emptied': {
    lock: 'auto',
    keeps: false,
    act(path) {
      for (const name of readdirSync(path)) rmSync(join(path, name))
    },
  },
  'the directory is removed and made anew': {
    lock: 'auto',
    keeps: false,
    act(path) {
      rmSync(path, { recursive: true })
      mkdirSync(path)
    },
  },
  'the directory is moved away': {
    lock: 'auto',
    keeps: false,
    act: (path) => renameSync(path, `${path}-moved`),
  },
  'nobody locks': { lock: 'none', keeps: true, act: () => undefined },
}

const NEXT: Readonly<Record<string, (database: Database) => Promise<unknown>>> = {
  'a flush': (database) => database.flush(),
  'a compaction': (database) => database.compactRange(),
  async 'writing until the log is full'(database) {
    for (let i = 0; i < 2_000; i++) await database.put(`more ${i}`, 'x'.repeat(200))
    throw new Error('nothing was noticed')
  },
  'a close': (database) => database.close(),
}

function picture(directory: string): Map<string, string> {
  const files = readdirSync(directory).sort()
  return new Map(
    files.map((name) => {
      const bytes = readFileSync(join(directory, name))
      return [name, createHash('sha256').update(bytes).digest('hex')]
    }),
  )
}

describe.runIf(process.platform === 'linux')('a lock that is lost', () => {
  let thief: RacerProcess

  const tell = async (order: RacerOrder): Promise<readonly string[]> => {
    const reply = await thief.order(order)
    expect(reply).toMatchObject({ done: true })
    return 'done' in reply ? (reply.keys ?? []) : []
  }

  beforeAll(async () => {
    thief = new RacerProcess(new URL('race/racer.js', compiledTests()))
    await thief.ready
  }, 60_000)
  afterAll(() => thief.kill())

  describe.each(Object.entries(THEFTS))('%s', (_, { lock, keeps, act }) => {
    test.each(Object.entries(NEXT))('and then comes %s', async (_, next) => {
      const directory = join(temporaryDirectory(), 'db')
      const database = await open(directory, { ...SMALL, lock })
      for (let i = 0; i < ENTRIES; i++) await database.put(`key ${i}`, 'x'.repeat(500))
      await database.flush()
      for (let i = 0; i < ENTRIES; i++) await database.put(`late ${i}`, '1')
      act(directory)
      await tell({ kind: 'open', directory, lock })
      await tell({ kind: 'fill', entries: 50 })
      await tell({ kind: 'put', key: 'theirs' })
      const before = picture(directory)

      const failure: unknown = await next(database).catch((cause: unknown) => cause)
      // A close that fails says why in its cause.
      const error = failure instanceof Error ? (failure.cause ?? failure) : failure
      expect(error).toMatchObject({
        code: 'SETT_POISONED',
        message: expect.stringMatching(/LOCK was|directory .* was|CURRENT .* another/),
      })
      // It is final, and what was read before can still be read.
      const refused: unknown = await database.put('x', '1').catch((cause: unknown) => cause)
      expect(refused).toHaveProperty('code')
      await database.close().catch((cause: unknown) => cause)
      expect(picture(directory)).toEqual(before)

      await tell({ kind: 'put', key: 'after' })
      await tell({ kind: 'close' })
      await tell({ kind: 'open', directory, lock })
      const keys = await tell({ kind: 'keys' })
      await tell({ kind: 'close' })
      expect(keys).toContain('theirs')
      expect(keys).toContain('after')
      const kept = keys.filter((key) => /^(?:key|late) /.test(key)).length
      expect(kept).toBe(keeps ? 2 * ENTRIES : 0)
    })
  })
})
