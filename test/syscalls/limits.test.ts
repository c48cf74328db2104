// Limits and rights of the system, real ones: no descriptors left, files that may not grow, a volume that gets full or
// cannot be written to, files of somebody else. Typed errors, nothing acked is lost, nothing stays open.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { basename, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { makeDatabase } from '../corrupt/damaged-directories.ts'
import { compiledTests } from '../kill/compile-harness.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'
import { type LimitedRun, runLimited } from './run-limits.ts'
import { Trial } from './trial.ts'

const root = scratchDirectory('limits')
afterAll(() => rmSync(root, { recursive: true }))

let programs: { faulty: URL; openers: URL }

beforeAll(() => {
  const tests = compiledTests()
  programs = {
    faulty: new URL('syscalls/faulty-lives.js', tests),
    openers: new URL('syscalls/openers.js', tests),
  }
}, 120_000)

/** Processes that live under limits, one after the other in one directory. */
async function liveUnder(...runs: readonly LimitedRun[]): Promise<Trial> {
  const trial = new Trial()
  for (const run of runs) await runLimited(programs.faulty, trial, run)
  trial.end()
  expect(trial.failures).toEqual([])
  return trial
}

const linux = process.platform === 'linux'

/** Why there can be no volume of our own; undefined: there can. */
function whyNoMounts(): string | undefined {
  const tried = spawnSync('unshare', ['-rm', 'mount', '-t', 'tmpfs', 'none', '/mnt'], {
    encoding: 'utf8',
  })
  if (tried.error !== undefined) return `unshare does not run (${tried.error.message})`
  return tried.status === 0 ? undefined : `mounting is refused: ${tried.stderr.trim()}`
}

const whyNot = whyNoMounts()
if (whyNot !== undefined) console.warn(`Tests on a volume of their own are left out: ${whyNot}`)

describe.runIf(linux)('limits', () => {
  it('descriptors: one, two, three and so on for everything', async () => {
    // Fewer, and Node itself cannot load.
    const limits = 'ulimit -n 256'
    const { codes, acked } = await liveUnder({
      title: 'descriptors',
      limits,
      lives: 24,
      commits: 12,
      squeeze: true,
    })
    expect(codes.get('LEVEL_IO_ERROR')).toBeGreaterThan(5)
    expect(acked).toBeGreaterThan(100)
  }, 300_000)

  it('lengths of files: from one KiB on', async () => {
    const { codes, acked } = await liveUnder(
      ...[200, 60, 24, 8, 2, 1, 30].map((length) => ({
        title: `${length} KiB`,
        limits: `ulimit -f ${length}`,
        lives: 2,
        commits: 40,
      })),
    )
    expect(codes.get('LEVEL_IO_ERROR')).toBeGreaterThan(5)
    expect(acked).toBeGreaterThan(50)
  }, 300_000)

  it.runIf(whyNot === undefined)(
    'a volume that is full, and not read-only',
    async () => {
      // The volume is gone with the process, so what is on it is copied before.
      const script = `mkdir -p "$DB.small"; mount -t tmpfs -o size=180k small "$DB.small" || exit 9
      [ ! -e "$DB" ] || cp -a "$DB" "$DB.small/db"; P="$1"; shift 2
      "$0" "$P" "$DB.small/db" "$@"; S=$?
      rm -rf "$DB"; [ ! -e "$DB.small/db" ] || cp -a "$DB.small/db" "$DB"; exit $S`
      const trial = new Trial()
      const { directory } = trial
      const command = [fileURLToPath(programs.faulty), directory, '6', '60', '1']
      const ran = spawnSync(
        'unshare',
        ['-rm', '/bin/bash', '-c', script, process.execPath, ...command],
        { encoding: 'utf8', env: { ...process.env, DB: directory }, timeout: 60_000 },
      )
      expect(ran.stderr).toBe('')
      expect(ran.status).toBe(0)
      await trial.check('a full volume', ran.stdout)
      trial.end()
      expect(trial.failures).toEqual([])
      expect(trial.codes.get('SETT_DISK_FULL')).toBeGreaterThan(0)
    },
    60_000,
  )

  it.runIf(whyNot === undefined)('a volume mounted read-only', async () => {
    const directory = join(root, 'on-a-medium')
    await makeDatabase(directory, { keys: 50 })
    const count = /^(\d+) entries$/.exec(openAll('0', [directory])[0]!.read)?.[1]
    const mount = `mount --bind "$DB" "$DB" && mount -o remount,bind,ro "$DB" && exec "$0" "$@"`
    const args = ['-rm', '/bin/bash', '-c', mount, process.execPath]
    const before = readdirSync(directory)
    const ran = spawnSync('unshare', [...args, fileURLToPath(programs.openers), '0', directory], {
      encoding: 'utf8',
      env: { ...process.env, DB: directory },
    })
    expect(ran.stderr).toBe('')
    const { write, read } = JSON.parse(ran.stdout) as Outcome
    expect(write).toBe('LEVEL_DATABASE_NOT_OPEN LEVEL_IO_ERROR EROFS')
    expect(read).toBe(`${count} entries`)
    expect(readdirSync(directory)).toEqual(before)
  })
})

interface Outcome {
  readonly directory: string
  readonly write: string
  readonly read: string
}

function openAll(user: string, directories: readonly string[]): Outcome[] {
  const args = [fileURLToPath(programs.openers), user, ...directories]
  const ran = spawnSync(process.execPath, args, { encoding: 'utf8', timeout: 60_000 })
  expect(ran.stderr).toBe('')
  return ran.stdout
    .trim()
    .split('\n')
    .map((line) => JSON.parse(line) as Outcome)
}

const NOBODY = 65_534
const ASKED = 'LEVEL_DATABASE_NOT_OPEN LEVEL_IO_ERROR EACCES'

describe.runIf(linux)('rights', () => {
  it('what may not be opened, read or written is refused, and stays as it is', async () => {
    const sound = join(root, 'sound')
    await makeDatabase(sound, { keys: 50 })
    const names = readdirSync(sound)
    const one = (pattern: RegExp): string => names.find((name) => pattern.test(name))!
    const cases: readonly [mode: number, name: string, write: string, read: string][] = [
      [0o000, '.', ASKED, ASKED],
      [0o300, '.', ASKED, ASKED],
      [0o400, '.', ASKED, ASKED],
      [0o500, '.', ASKED, 'entries'],
      [0o000, 'CURRENT', ASKED, ASKED],
      [0o000, one(/^MANIFEST/), ASKED, ASKED],
      [0o000, one(/wal$/), ASKED, ASKED],
      [0o000, 'LOCK', ASKED, ASKED],
      [0o400, 'LOCK', ASKED, 'entries'],
      [0o400, 'CURRENT', 'entries', 'entries'],
    ]
    const directories = cases.map(([mode, name], i) => {
      const directory = join(root, `rights-${i}`)
      cpSync(sound, directory, { recursive: true })
      protect(directory, name, mode)
      return directory
    })
    // Whoever is nobody must still find the way.
    chmodSync(root, 0o755)
    const outcomes = openAll(String(NOBODY), directories)
    const word = (text: string): string => text.replace(/^\d+ entries$/, 'entries')
    expect(
      outcomes.map(({ directory, write, read }) => [basename(directory), word(write), word(read)]),
    ).toEqual(cases.map(([, , write, read], i) => [`rights-${i}`, write, read]))
    for (const directory of directories) chmodSync(directory, 0o700)
  })

  it('a table that may not be read fails the reads that need it', async () => {
    const directory = join(root, 'table')
    await makeDatabase(directory, { keys: 50 })
    protect(directory, readdirSync(directory).find((name) => name.endsWith('.sst'))!, 0o000)
    chmodSync(root, 0o755)
    const [found] = openAll(String(NOBODY), [directory])
    expect(found!.read).toMatch(/EACCES$/)
  })

  it('a place nobody may create in', () => {
    mkdirSync(join(root, 'closed'), { mode: 0o555 })
    chmodSync(root, 0o755)
    const [found] = openAll(String(NOBODY), [join(root, 'closed', 'db')])
    expect(found!.write).toBe(ASKED)
    expect(found!.read).toBe('LEVEL_DATABASE_NOT_OPEN LEVEL_NOT_FOUND')
  })
})

/** Hands the directory to nobody and takes rights from one entry. */
function protect(directory: string, name: string, mode: number): void {
  if (process.getuid?.() === 0) {
    for (const each of readdirSync(directory)) chownSync(join(directory, each), NOBODY, NOBODY)
    chownSync(directory, NOBODY, NOBODY)
  }
  chmodSync(join(directory, name), mode)
}
