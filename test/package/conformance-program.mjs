// abstract-level's own suite over the built package, by tape as its authors run it, in whatever runtime this is
// started. Prints a JSON line per test with the counts so far, and one with the error of each failed assertion.
// Arguments: entry of the package, entry of tape, number of workers.
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [packageEntry, tapeEntry, workers] = process.argv.slice(2)
const { Database } = await import(pathToFileURL(packageEntry).href)
const { default: tape } = await import(pathToFileURL(tapeEntry).href)
const suite = createRequire(import.meta.url)('abstract-level/test')

/** Of one test, so that one which hangs is told by name. */
const TIMEOUT_MS = 20_000
/** A thousand databases are opened; in memory that takes a third of the time. */
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
// Small enough for a thousand of them without threads.
const small = { memtableSize: 64 * 1024, memoryBudget: 8 * 1024 * 1024 }
const engineOptions = { ...(workers === '0' ? small : {}), workers: Number(workers) }

const root = mkdtempSync(join(base, 'sett-conformance-'))
const opened = []
const counts = { passed: 0, failed: 0 }
let current = ''

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function fail(error) {
  counts.failed++
  tell({ error: `${current}: ${error}` })
}

function count(row) {
  if (row.type === 'test') {
    current = row.name
    tell(counts)
  }
  if (row.type !== 'assert') return
  if (row.ok) counts.passed++
  else fail(`${row.name} ${row.error?.message ?? `(found ${row.actual}, not ${row.expected})`}`)
}

async function finish() {
  // One test of the suite leaves a sublevel that can no longer be closed.
  await Promise.allSettled(opened.map((database) => database.close()))
  rmSync(root, { recursive: true, force: true })
  tell({ ...counts, done: true })
  process.exit()
}

process.on('uncaughtException', (error) => fail(error.stack))
process.on('unhandledRejection', (error) => fail(error?.stack ?? error))

const harness = tape.createHarness()
harness.createStream({ objectMode: true }).on('data', count).on('end', finish)
suite({
  test: (name, run) => harness(name, { timeout: TIMEOUT_MS }, run),
  factory(options) {
    const database = new Database(join(root, String(opened.length)), {
      ...engineOptions,
      ...options,
    })
    opened.push(database)
    return database
  },
})
