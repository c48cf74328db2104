// Databases damaged by hand, each in one way, the same bytes every time: for the tests and for the transcripts in
// docs/REPAIR.md.
import { execFileSync } from 'node:child_process'
import {
  closeSync,
  copyFileSync,
  ftruncateSync,
  mkdirSync,
  openSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { join } from 'node:path'
import { resolveOptions } from '../../src/base/options.ts'
import type { Random } from '../../src/base/random.ts'
import { openEngine } from '../../src/engine/open.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { halfNoise } from '../support/half-noise.ts'

/** Small tables and blocks, so that a few hundred entries make a tree. */
export const OPTIONS: {
  readonly workers: number
  readonly memtableSize: number
  readonly memoryBudget: number
  readonly blockSize: number
  readonly tableSize: number
} = {
  workers: 0,
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  blockSize: 512,
  tableSize: 16_384,
}

/** Long values lie in segments, a few in each. */
export const SEGMENT_OPTIONS: typeof OPTIONS & {
  readonly valueThreshold: number
  readonly segmentMaxEntries: number
} = { ...OPTIONS, valueThreshold: 150, segmentMaxEntries: 20 }

/** A state by key. */
export type Content = ReadonlyMap<string, string>

export interface History {
  /** Everything. */
  readonly whole: Content
  /** Without the commits that are only in the log. */
  readonly inTables: Content
  /** Every value a key ever had. */
  readonly everWritten: ReadonlyMap<string, ReadonlySet<string>>
}

export interface DamagedDirectory {
  readonly name: string
  readonly title: string
  /** What an unrepaired database does: refuse to open, refuse some reads, or nothing. */
  readonly open: 'refuses' | 'refuses reads' | 'is right'
  /** What repair gets back. */
  readonly saved:
    | 'everything'
    | 'all but the log'
    | 'all but a part of a table'
    | 'all but values of a segment'
  /** The database keeps long values in segments. */
  readonly segments?: true
  readonly damage: (directory: string) => void
}

/** Bytes that look random and are the same in each run. */
function seededRandom(seed: number): Random {
  let state = seed
  return {
    fill(target) {
      for (let i = 0; i < target.length; i++) {
        state = (Math.imul(state, 1_103_515_245) + 12_345) >>> 0
        target[i] = state >>> 16
      }
    },
  }
}

export interface MakeOptions {
  readonly seed?: number
  readonly keys?: number
  /** Every third value is long, and long ones lie in segments; one of several parts, and two that only the log points
   * to, lie in segments of their own. */
  readonly segments?: boolean
  /** The real one by default. */
  readonly fs?: FileSystem
}

/** Three levels of history: a compacted level, a newer table above it, and a log that was not flushed. */
export async function makeDatabase(
  directory: string,
  { seed = 1, keys = 600, segments = false, fs }: MakeOptions = {},
): Promise<History> {
  const options = resolveOptions(segments ? SEGMENT_OPTIONS : OPTIONS)
  const engine = await openEngine(directory, options, {
    random: seededRandom(seed),
    ...(fs === undefined ? {} : { fs }),
  })
  const content = new Map<string, string>()
  const everWritten = new Map<string, Set<string>>()
  const key = (i: number): string => `key ${String(i).padStart(4, '0')}`
  const put = async (i: number, round: string, longer = 0): Promise<void> => {
    const length = longer + (segments && i % 3 === 0 ? 200 + 9 * (i % 50) : 60 + (i % 70))
    const value = `${round} of ${i} ${halfNoise(length, i)}`
    content.set(key(i), value)
    everWritten.set(key(i), (everWritten.get(key(i)) ?? new Set()).add(value))
    await engine.put(key(i), value, { durability: 'none' })
  }
  const del = async (i: number): Promise<void> => {
    content.delete(key(i))
    await engine.del(key(i), { durability: 'none' })
  }
  for (let i = 0; i < keys; i++) await put(i, 'first')
  for (let i = 0; i < keys; i += 10) await del(i)
  if (segments) await put(7, 'several parts', 1_100_000)
  await engine.compactRange(undefined, undefined)
  for (let i = 3; i < keys; i += 7) await put(i, 'second')
  for (let i = 5; i < keys; i += 35) await del(i)
  await engine.flush()
  const inTables = new Map(content)
  for (let i = 1; i < keys; i += 9) await put(i, 'third')
  for (let i = 8; i < keys; i += 45) await del(i)
  if (segments) for (const i of [11, 10]) await put(i, 'in the log', 20_000)
  await engine.close()
  return { whole: content, inTables, everWritten }
}

function files(directory: string, end: string): string[] {
  return readdirSync(directory)
    .filter((name) => name.endsWith(end))
    .sort()
    .map((name) => join(directory, name))
}

const tables = (directory: string): string[] => files(directory, '.sst')

function manifest(directory: string): string {
  const name = readdirSync(directory).find((each) => each.startsWith('MANIFEST-'))
  if (name === undefined) throw new Error(`${directory} has no manifest`)
  return join(directory, name)
}

function log(directory: string): string {
  const [path] = files(directory, '.wal')
  if (path === undefined) throw new Error(`${directory} has no log`)
  return path
}

function table(directory: string, index: number): string {
  const path = tables(directory).at(index)
  if (path === undefined) throw new Error(`${directory} has no table ${index}`)
  return path
}

function segment(directory: string, index: number): string {
  const path = files(directory, '.vlog').at(index)
  if (path === undefined) throw new Error(`${directory} has no segment ${index}`)
  return path
}

function flipBit(path: string, offset: number): void {
  const bytes = readFileSync(path)
  bytes[offset] = (bytes[offset] as number) ^ 1
  writeFileSync(path, bytes)
}

export const DAMAGED_DIRECTORIES: readonly DamagedDirectory[] = [
  {
    name: 'missing-manifest',
    title: 'The manifest is gone',
    open: 'refuses',
    saved: 'everything',
    damage: (directory) => rmSync(manifest(directory)),
  },
  {
    name: 'missing-current',
    title: 'CURRENT is gone',
    open: 'refuses',
    saved: 'everything',
    damage: (directory) => rmSync(join(directory, 'CURRENT')),
  },
  {
    name: 'empty-manifest',
    title: 'The manifest has no byte',
    open: 'refuses',
    saved: 'everything',
    damage: (directory) => truncateSync(manifest(directory), 0),
  },
  {
    name: 'swapped-tables',
    title: 'Two tables have changed names',
    open: 'refuses',
    saved: 'everything',
    damage(directory) {
      const [a, b] = [table(directory, 0), table(directory, 1)]
      renameSync(a, `${a}.x`)
      renameSync(b, a)
      renameSync(`${a}.x`, b)
    },
  },
  {
    name: 'missing-table',
    title: 'A table is gone',
    open: 'refuses',
    saved: 'all but a part of a table',
    damage: (directory) => rmSync(table(directory, 1)),
  },
  {
    name: 'truncated-table',
    title: 'A table is cut off in the middle',
    open: 'refuses',
    saved: 'all but a part of a table',
    damage: (directory) => truncateSync(table(directory, 1), 6000),
  },
  {
    name: 'flipped-bit',
    title: 'One bit of a table has flipped',
    open: 'refuses reads',
    saved: 'all but a part of a table',
    damage: (directory) => flipBit(table(directory, 1), 3000),
  },
  {
    name: 'symlinked-table',
    title: 'A table was replaced by a symbolic link to itself elsewhere',
    open: 'refuses',
    saved: 'all but a part of a table',
    damage(directory) {
      const path = table(directory, 1)
      const elsewhere = join(directory, '..', 'moved.sst')
      renameSync(path, elsewhere)
      symlinkSync(elsewhere, path)
    },
  },
  {
    name: 'no-files',
    title: 'A directory and a FIFO under the names of files',
    open: 'refuses',
    saved: 'all but a part of a table',
    damage(directory) {
      const path = table(directory, 1)
      rmSync(path)
      mkdirSync(path)
      execFileSync('mkfifo', [join(directory, '999999.sst')])
    },
  },
  {
    name: 'zeroed-log',
    title: 'The log is full of zeros',
    open: 'refuses',
    saved: 'all but the log',
    damage(directory) {
      const path = log(directory)
      const { length } = readFileSync(path)
      const file = openSync(path, 'r+')
      ftruncateSync(file, 0)
      ftruncateSync(file, length)
      closeSync(file)
    },
  },
  {
    name: 'doubled-log',
    title: 'A copy of the log under another number',
    open: 'refuses',
    saved: 'everything',
    damage: (directory) => copyFileSync(log(directory), join(directory, '999998.wal')),
  },
  {
    name: 'foreign-files',
    title: 'Files of somebody else, and of another database',
    open: 'is right',
    saved: 'everything',
    damage(directory) {
      writeFileSync(join(directory, 'notes.txt'), 'not a file of the database\n', { mode: 0o600 })
      writeFileSync(join(directory, '999997.sst'), Buffer.alloc(5000, 'not a table '), {
        mode: 0o600,
      })
    },
  },
  {
    name: 'missing-segment',
    title: 'A segment is gone',
    open: 'refuses',
    saved: 'all but values of a segment',
    segments: true,
    damage: (directory) => rmSync(segment(directory, 1)),
  },
  {
    name: 'flipped-value',
    title: 'One bit of a value in a segment has flipped',
    open: 'refuses reads',
    saved: 'all but values of a segment',
    segments: true,
    damage: (directory) => flipBit(segment(directory, 1), 2000),
  },
]
