// The house as data: which room lies on which floor, what only some rooms may touch, and how large things may be.
// docs/ARCHITECTURE.md explains it; the checks beside this file enforce it.

/** A room imports rooms of lower floors only, and its own files. Room names are folders of src/. */
export const FLOORS: ReadonlyMap<string, number> = new Map([
  ['base', 0],
  ['kernel', 1],
  ['memory', 1],
  ['io', 1],
  ['format', 2],
  ['cursor', 3],
  ['packing', 3],
  ['wal', 4],
  ['memtable', 4],
  ['sstable', 4],
  ['value-log', 4],
  ['manifest', 4],
  ['mvcc', 4],
  ['compaction', 5],
  ['jobs', 5],
  ['inspect', 5],
  ['pool', 6],
  ['engine', 7],
  ['api', 8],
  ['adapters', 9],
])

/** The files that collect what the package exports. */
export const BARRELS: readonly string[] = ['src/index.ts', 'bench/index.ts']
/** src/index.ts belongs to api/: the roof may import it, nobody below. */
export const BARREL = 'src/index.ts'
export const BARREL_FLOOR = 8
/** Thread entry files see the pool and what lies below it; nothing in src/ imports them. */
export const WORKERS_FLOOR = 7
/** Below this floor a module keeps no state of its own, so many databases can live in one process. */
export const FIRST_FLOOR_WITH_STATE = 6

export interface Border {
  readonly what: string
  /** Looked for in code, with comments and strings blanked out; or, for `module`, in import specifiers. */
  readonly pattern?: RegExp
  readonly module?: RegExp
  /** Path prefixes that may. */
  readonly allowed: readonly string[]
  readonly remedy: string
}

export const BORDERS: readonly Border[] = [
  {
    what: 'node:fs',
    module: /^(node:)?fs(\/promises)?$/,
    allowed: ['src/io/node-file-system.ts', 'src/adapters/cli/'],
    remedy: 'take a FileSystem (src/io/file-system.ts) as a parameter',
  },
  {
    what: 'threads',
    module: /^((node:)?worker_threads|piscina)$/,
    allowed: ['src/pool/', 'workers/'],
    remedy: 'take an Executor (src/pool/executor.ts) as a parameter',
  },
  {
    what: 'child processes',
    module: /^(node:)?child_process$/,
    allowed: ['src/io/kernel-lock.ts', 'src/adapters/cli/bench-command.ts'],
    remedy: 'only the directory lock and `sett bench` start a process',
  },
  {
    what: 'the clock and timers',
    pattern:
      /\bDate\.now\b|\bnew Date\(\s*\)|\bperformance\.|\bhrtime\b|\bset(?:Timeout|Interval|Immediate)\(/,
    module: /^(node:)?(timers|perf_hooks)(\/promises)?$/,
    allowed: ['src/base/clock.ts', 'src/adapters/cli/'],
    remedy: 'take a Clock (src/base/clock.ts) as a parameter',
  },
  {
    what: 'randomness',
    // Hashing also comes from node:crypto, and is no chance.
    pattern: /\bMath\.random\b|\brandom(?:Bytes|FillSync|UUID|Int)\b|\bgetRandomValues\b/,
    allowed: ['src/base/random.ts'],
    remedy: 'take a Random (src/base/random.ts) as a parameter',
  },
  {
    what: 'WebAssembly',
    // Its types may be named anywhere; making and running modules and memories may not.
    pattern: /\bnew WebAssembly\.|\bWebAssembly\.[a-z]/,
    allowed: ['src/kernel/', 'src/memory/'],
    remedy: 'use Kernels (src/kernel/kernels.ts) or SharedHeap (src/memory/shared-heap.ts)',
  },
  {
    what: 'the console',
    pattern: /\bconsole\./,
    allowed: ['src/adapters/cli/'],
    remedy: 'take a Logger (src/base/logger.ts) as a parameter',
  },
]

export const LIMITS: {
  readonly fileLinesAimed: number
  readonly fileLinesMax: number
  readonly codeColumnsMax: number
  readonly commentColumnsMax: number
  readonly folderFilesMax: number
} = {
  fileLinesAimed: 400,
  fileLinesMax: 600,
  codeColumnsMax: 100,
  commentColumnsMax: 120,
  folderFilesMax: 16,
}

/** Folders that may hold more files than others, and why. */
export const LARGE_FOLDERS: ReadonlyMap<string, number> = new Map([
  // All mutable state of a database, one owner per file.
  ['src/engine', 32],
  // Main side and worker side of every thread.
  ['src/pool', 20],
  // One file per verb, and what the verbs share.
  ['src/adapters/cli', 24],
])

/** Files that are entered from outside, so that nothing in the repository imports them. */
export const ENTRY_FILES: ReadonlySet<string> = new Set([
  BARREL,
  'src/adapters/cli/main.ts',
  // The codec of FORMAT §4, for whoever reads files from outside; the write path encodes in place.
  'src/format/record.ts',
])
