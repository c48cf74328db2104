// abstract-level's own suite over a database in a fresh directory per factory call.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { Database, type DatabaseOptions } from '../../src/index.ts'
import { type TapeCount, tapeShim } from './tape-shim.ts'

/** What a store with every feature of the suite reaches (abstract-level 3.1). */
const ASSERTIONS = 5168

/** A thousand databases are opened; in memory that takes a third of the time. */
const BASE: string = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()

type Options = DatabaseOptions<string, string>
type Suite = (setup: {
  readonly test: TapeCount['test']
  readonly factory: (options?: Options) => Database
}) => void

export function conformance(name: string, engineOptions: Options): void {
  const suite = createRequire(import.meta.url)('abstract-level/test') as Suite
  const root = mkdtempSync(join(BASE, 'sett-level-'))
  const opened: Database[] = []

  afterAll(async () => {
    // One test of the suite leaves a sublevel that can no longer be closed.
    await Promise.allSettled(opened.map((database) => database.close()))
    rmSync(root, { recursive: true, force: true })
  })

  describe(`abstract-level suite, ${name}`, () => {
    const count = tapeShim()
    suite({
      test: count.test,
      factory(options) {
        const location = join(root, String(opened.length))
        const database = new Database(location, { ...engineOptions, ...options })
        opened.push(database)
        return database
      },
    })
    it(`makes ${ASSERTIONS} assertions`, () => {
      expect(count.assertions).toBe(ASSERTIONS)
    })
  })
}
