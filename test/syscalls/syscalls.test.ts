// What the engine asks of the kernel is what it asks of its file system, in order and to the byte: nothing goes past
// it. And faults of the kernel's own, and kills at system calls, lose nothing that was acked.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { openEngine } from '../../src/engine/open.ts'
import { makeDatabase } from '../corrupt/damaged-directories.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { HOSTILE_DIRECTORIES, spoiled } from '../hostile/directories.ts'
import { compiledTests } from '../kill/compile-harness.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'
import {
  difference,
  type Event,
  eventsOfCalls,
  eventsOfTrace,
  leftOpen,
  nameIn,
  pathsOf,
  unsyncedDirectories,
} from './events.ts'
import { runFaults } from './run-faults.ts'
import { FILE_CALLS, parseTrace, type TracedRun, trace, whyNoStrace } from './strace.ts'
import { firstLife, OPTIONS, STILL, secondLife } from './workload.ts'

const SEED = Number(process.env['SETT_SYSCALLS_SEED'] ?? Date.now() % 1_000_000)
const why = whyNoStrace()
if (why !== undefined) console.warn(`Tests of real system calls are left out: ${why}`)

let programs: { life: URL; faulty: URL; openers: URL }
const root = scratchDirectory('traced')
afterAll(() => rmSync(root, { recursive: true }))

beforeAll(() => {
  const tests = compiledTests()
  programs = {
    life: new URL('syscalls/traced-life.js', tests),
    faulty: new URL('syscalls/faulty-lives.js', tests),
    openers: new URL('syscalls/openers.js', tests),
  }
}, 120_000)

/** The two lives on the file system in memory. */
async function expectedEvents(): Promise<{ first: Event[]; second: Event[] }> {
  const fs = new FaultFileSystem()
  const open = () => openEngine('/db', OPTIONS, { fs, clock: STILL })
  await firstLife(open)
  const lived = fs.calls.length
  await secondLife(open)
  return {
    first: eventsOfCalls(fs.calls.slice(0, lived), '/db', true),
    second: eventsOfCalls(fs.calls.slice(lived), '/db', false),
  }
}

function life(directory: string, which: string): TracedRun {
  const run = trace({ program: programs.life, args: [directory, which], calls: FILE_CALLS })
  expect(run.stderr).toBe('')
  expect(run.status).toBe(0)
  return run
}

/** LOCK is the business of the real file system alone. */
function withoutLock(run: TracedRun): TracedRun['calls'] {
  // The lock goes past the engine's file system.
  return run.calls.filter((call) => !pathsOf(call).some((path) => /\/LOCK(\.\w+)?$/.test(path)))
}

const WRITES =
  /^(?:creat|p?write|ftrunc|trunc|f?(?:data)?sync$|rename|unlink|rmdir|mk|link|symlink|f?ch|utimens)/

describe.runIf(why === undefined)('system calls', () => {
  it('are those of the file system the engine was given, in order, and no others', async () => {
    const expected = await expectedEvents()
    const directory = join(root, 'db')
    const first = life(directory, 'first')
    const second = life(directory, 'second')
    expect(difference(expected.first, eventsOfTrace(withoutLock(first), directory))).toBe(undefined)
    expect(difference(expected.second, eventsOfTrace(withoutLock(second), directory))).toBe(
      undefined,
    )
    expect(unsyncedDirectories([...first.calls, ...second.calls], directory)).toBe(0)
    expect(leftOpen(second.calls, directory)).toEqual([])
    expect(expected.first.length + expected.second.length).toBeGreaterThan(300)
    for (const { name, args, result } of [...first.calls, ...second.calls]) {
      expect(name).not.toBe('io_uring_setup')
      // Nothing outside of the directory is opened to write, but for the terminal and the like.
      const writes = /^open/.test(name) && /O_WRONLY|O_RDWR|O_CREAT/.test(args)
      const path = /"([^"]*)"/.exec(args)?.[1] ?? ''
      const inside = nameIn(directory, path) !== undefined
      if (writes && !inside && !result.startsWith('-1')) expect(path).toMatch(/^\/(?:dev|proc)\//)
      if (/O_CREAT/.test(args) && inside) expect(args).toMatch(/, 0600$/)
      if (/^f?chmod$/.test(name) && inside) expect(args).toMatch(/, 0[67]00$/)
    }
  }, 300_000)

  it('of a read-only database write nothing, recovery included', () => {
    const directory = join(root, 'read-only')
    life(directory, 'first')
    const reading = life(directory, 'read-only')
    expect(reading.stdout).toBe('10\n')
    const inside = reading.calls.filter((call) =>
      pathsOf(call).some((path) => nameIn(directory, path) !== undefined),
    )
    expect(inside.length).toBeGreaterThan(20)
    expect(inside.filter(({ name }) => WRITES.test(name))).toEqual([])
    expect(inside.filter(({ args }) => /O_WRONLY|O_RDWR|O_CREAT|O_TRUNC/.test(args))).toEqual([])
  }, 300_000)

  it('on hostile directories reach nothing outside of them', async () => {
    const sound = join(root, 'sound')
    await makeDatabase(sound, { keys: 50 })
    const places = HOSTILE_DIRECTORIES.map((hostile, i) =>
      spoiled(sound, join(root, `hostile-${i}`), hostile),
    )
    const directories = places.map(({ directory }) => directory)
    const args = ['0', ...directories]
    const { calls, stdout, stderr } = trace({ program: programs.openers, args, calls: FILE_CALLS })
    expect(stderr).toBe('')
    expect(stdout.trim().split('\n')).toHaveLength(places.length)
    const seen = calls.filter((call) => pathsOf(call).some((path) => path.startsWith(root)))
    expect(seen.length).toBeGreaterThan(1_000)
    const outside = seen.filter((call) =>
      // The name of what a call got hold of, links followed.
      [...pathsOf(call), ...pathsOf({ ...call, args: call.result })].some((path) =>
        places.some((place) => path === place.outside || path.startsWith(`${place.outside}/`)),
      ),
    )
    expect(outside).toEqual([])
  }, 300_000)

  it(`that fail or kill lose nothing that was acked (SETT_SYSCALLS_SEED=${SEED})`, async () => {
    const counts = await runFaults({ program: programs.faulty, seed: SEED, lives: 6, kills: 8 })
    expect(counts.failures).toEqual([])
    const faults = [...counts.injected.values()].reduce((sum, count) => sum + count, 0)
    const kills = [...counts.kills.values()].reduce((sum, count) => sum + count, 0)
    console.log(
      `${faults} real faults (${[...counts.injected].join(', ')}) and ${kills} kills: ` +
        `${counts.acked} of ${counts.commits} commits acked; errors: ${[...counts.codes].join(', ')}`,
    )
    expect(faults).toBeGreaterThan(80)
    expect(kills).toBeGreaterThan(3)
    expect(counts.acked).toBeGreaterThan(500)
  }, 600_000)
})

describe('the reader of traces', () => {
  it('joins calls that others interrupted, and knows those that never returned', () => {
    const text = [
      '10 openat(AT_FDCWD</>, "/d/a (b)", O_RDWR|O_CREAT|O_EXCL, 0600) = 21</d/a (b)>',
      '11 fdatasync(21</d/a (b)> <unfinished ...>',
      '10 pread64(21</d/a (b)>,  <unfinished ...>',
      '11 <... fdatasync resumed>)          = -1 EIO (Input/output error) (INJECTED)',
      '10 <... pread64 resumed>""..., 64, 0) = 60',
      '12 pwrite64(21</d/a (b)>, ""..., 8, 64 <unfinished ...>',
      '+++ killed by SIGKILL +++',
    ].join('\n')
    const calls = parseTrace(text)
    expect(calls.map(({ thread, name }) => `${thread} ${name}`)).toEqual([
      '10 openat',
      '11 fdatasync',
      '10 pread64',
      '12 pwrite64',
    ])
    expect(calls[1]!.result).toBe('-1 EIO (Input/output error) (INJECTED)')
    expect(eventsOfTrace(calls, '/d').map(({ event }) => event)).toEqual([
      'create a (b)',
      'sync a (b)',
      'read a (b) @0 +64',
      'write a (b) @64 +8',
    ])
  })

  it('finds what was not asked for, what is missing, and what came too early', () => {
    const asked = ['create a', 'write a @0 +8', 'sync a', 'write a @8 +8', 'remove b']
    const own = (event: string) => ({ event, byProgram: true })
    const other = (event: string) => ({ event, byProgram: false })
    const [create, first, sync, second, remove] = asked as [string, string, string, string, string]
    const rest = [own(second), other(remove)]
    const inOrder = [own(create), own(first), other(sync), ...rest]
    expect(difference(asked, inOrder)).toBe(undefined)
    expect(difference(asked, [own(create), own(first), own(second), other(sync), rest[1]!])).toBe(
      undefined,
    )
    expect(difference(asked, [own(create), other(sync), own(first), ...rest])).toMatch(/sync a/)
    expect(difference(asked, inOrder.slice(0, -1))).toMatch(/remove b/)
    expect(difference(asked, [...inOrder, own('write a @16 +8')])).toMatch(/not asked for/)
    expect(difference(asked, [own(create), own('write a @0 +9'), ...rest])).toMatch(/\+9/)
    expect(difference(asked, [own(first), own(create), ...inOrder.slice(2)])).toMatch(/create a/)
  })
})
