// abstract-level's own suite over the built package, by tape as its authors run it, in whatever runtime this is
// started. Prints a JSON line per test with the counts so far, and one with the error of each failed assertion.
// Arguments: entry of the package, entry of tape, number of workers, an empty folder.
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

const [packageEntry, tapeEntry, workers, root] = process.argv.slice(2)
const { Database } = await import(pathToFileURL(packageEntry).href)
const { default: tape } = await import(pathToFileURL(tapeEntry).href)
const suite = createRequire(import.meta.url)('abstract-level/test')

/** Of one test, so that one which hangs is told by name. */
const TIMEOUT_MS = 20_000
// Small enough for a thousand of them without threads.
const small = { memtableSize: 64 * 1024, memoryBudget: 8 * 1024 * 1024 }
const engineOptions = { ...(workers === '0' ? small : {}), workers: Number(workers) }

const opened = []
const counts = { passed: 0, failed: 0 }
let current = ''

function tell(line) {
  process.stdout.write(`${JSON.stringify(line)}\n`)
}

function fail(what, error) {
  counts.failed++
  const reasons = [what]
  for (let each = error; each !== undefined; each = each?.cause) reasons.push(each?.message ?? each)
  tell({ error: `${current}: ${reasons.join('\n  ')}` })
}

function count(row) {
  if (row.type === 'test') {
    current = row.name
    tell(counts)
  }
  if (row.type !== 'assert') return
  if (row.ok) counts.passed++
  else fail(`${row.name} (found ${row.actual}, expected ${row.expected})`, row.error)
}

async function finish() {
  // One test of the suite leaves a sublevel that can no longer be closed.
  await Promise.allSettled(opened.map((database) => database.close()))
  tell({ ...counts, done: true })
  process.exit()
}

process.on('uncaughtException', (error) => fail('uncaught', error))
process.on('unhandledRejection', (error) => fail('unhandled', error))

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
