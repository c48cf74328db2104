// The process that faults are injected into: `<directory> <lives> <commits> <first number> [squeeze]`. Life after life
// it opens the database, commits, reads, closes, whatever fails; and tells each commit and error on standard output:
//   w N announced · a N acked · e N CODE failed · x PLACE CODE something else failed · bad PLACE … a wrong answer
// `squeeze`: the nth life has n descriptors to itself, of all that the system grants.
import { closeSync, openSync, readdirSync, writeSync } from 'node:fs'
import { systemFailure } from '../../src/api/system-failure.ts'
import { type Clock, systemClock } from '../../src/base/clock.ts'
import { SettError } from '../../src/base/errors.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import { commitOf } from './commits.ts'
import { OPTIONS } from './workload.ts'

const [, , directory = '', lives = '1', commits = '1', first = '1', squeeze] = process.argv

// Where a file may not grow any more, the kernel sends this besides the error.
process.on('SIGXFSZ', () => undefined)

/** What waits half a second before it tries again need not do so here. */
const hasty: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs / 25, run),
}

function say(...words: readonly (string | number)[]): void {
  writeSync(1, `${words.join(' ')}\n`)
}

/** As the public API answers. */
function codeOf(error: unknown): string {
  const seen = systemFailure(directory, error)
  return seen instanceof SettError ? seen.code : `untyped:${String(error).replaceAll(/\s/g, '_')}`
}

async function attempt(place: string, work: () => Promise<unknown>): Promise<boolean> {
  try {
    await work()
    return true
  } catch (error) {
    say('x', place, codeOf(error))
    return false
  }
}

async function commit(engine: StorageEngine, number: number): Promise<'acked' | 'failed' | 'over'> {
  const { keys, value } = commitOf(number)
  const operations = keys.map((key) => ({ type: 'put' as const, key, value }))
  say('w', number)
  try {
    await engine.batch(operations, {})
    say('a', number)
    return 'acked'
  } catch (error) {
    const code = codeOf(error)
    say('e', number, code)
    return code === 'SETT_POISONED' ? 'over' : 'failed'
  }
}

let next = Number(first)

async function live(engine: StorageEngine): Promise<void> {
  const end = next + Number(commits)
  let newest: number | undefined
  while (next < end) {
    const number = next++
    const outcome = await commit(engine, number)
    if (outcome === 'acked') newest = number
    if (outcome === 'over') break
    if (number % 9 === 0) await attempt('flush', () => engine.flush())
    if (number % 17 === 0) await attempt('compaction', () => engine.compactRange('a', 'z'))
  }
  if (newest === undefined) return
  // Reads go on, whatever became of the log.
  const { keys, value } = commitOf(newest)
  await attempt('read', async () => {
    for (const key of keys) {
      const found = engine.getSync(key, undefined, 'utf8')
      if (found !== value) say('bad', 'read', key)
    }
  })
}

async function lifeFromOpenToClose(): Promise<void> {
  let engine: StorageEngine | undefined
  await attempt('open', async () => {
    engine = await openEngine(directory, OPTIONS, { clock: hasty })
  })
  if (engine === undefined) return
  const opened = engine
  await live(opened)
  await attempt('close', () => opened.close())
}

/** All descriptors the process may still have, but so many. */
function takeDescriptors(butFor: number): number[] {
  const taken: number[] = []
  try {
    for (;;) taken.push(openSync('/dev/null', 'r'))
  } catch (error) {
    if (codeOf(error) !== 'LEVEL_IO_ERROR') throw error
  }
  for (const descriptor of taken.splice(0, butFor)) closeSync(descriptor)
  return taken
}

function openDescriptors(): number {
  return readdirSync('/proc/self/fd').length
}

// What the process opens once and keeps, such as the pipe to a tool's process, is open from here on.
if (squeeze !== undefined) await lifeFromOpenToClose()
for (let life = 1; life <= Number(lives); life++) {
  if (squeeze === undefined) {
    await lifeFromOpenToClose()
    continue
  }
  const before = openDescriptors()
  const taken = takeDescriptors(life)
  await lifeFromOpenToClose()
  for (const descriptor of taken) closeSync(descriptor)
  const after = openDescriptors()
  if (after !== before) say('bad', 'descriptors', before, after)
}
say('end')
