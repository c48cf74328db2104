// BadgerDB, measured by the Go driver in this folder. The driver is built with the `go` at hand into a folder of
// its own, outside the source tree; whether there is anything to build is left to the cache of the go command.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, mkdirSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir, userInfo } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { ProgramCommand, ProgramEngine } from '../../engines/engine.ts'
import { VOCABULARY } from '../../workloads/vocabulary.ts'

const run = promisify(execFile)
const SOURCE = /(?:(?<!_test)\.go|^go\.(?:mod|sum))$/
/** This folder, or the one it was compiled from: dist/bench/peers/badger → bench/peers/badger. */
const PLACES = ['./', '../../../../bench/peers/badger/']
const BUILD = ['build', '-trimpath', '-buildvcs=false', '-mod=readonly']
const LINES_SHOWN = 5

function sourceFolder(): string {
  const folders = PLACES.map((place) => fileURLToPath(new URL(place, import.meta.url)))
  const found = folders.find((folder) => existsSync(join(folder, 'go.mod')))
  if (found !== undefined) return found
  throw new Error(
    'the Go driver of BadgerDB is not part of the npm package; ' +
      'run `npm run bench:badger` in a checkout of the repository',
  )
}

/** One for each state of the sources, so that two checkouts do not build over each other. */
function buildFolder(sources: string): string {
  const hash = createHash('sha256')
  for (const name of readdirSync(sources).sort()) {
    if (SOURCE.test(name)) hash.update(name).update(readFileSync(join(sources, name)))
  }
  const state = hash.digest('hex').slice(0, 16)
  const folder = join(tmpdir(), `sett-bench-badger-${userInfo().username}-${state}`)
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  return folder
}

async function build(): Promise<ProgramCommand> {
  const sources = sourceFolder()
  await go(['version'], sources)
  const command = join(buildFolder(sources), 'badger')
  if (!existsSync(command)) {
    process.stderr.write('badger: building its Go driver; the first time takes about a minute\n')
  }
  await go([...BUILD, '-o', command, '.'], sources)
  const { stdout } = await run(command, ['--version'])
  return { command, version: stdout.trim() }
}

async function go(args: readonly string[], cwd: string): Promise<void> {
  try {
    await run('go', args, { cwd, env: { ...process.env, CGO_ENABLED: '0' } })
  } catch (failure) {
    throw new Error(describeFailure(failure), { cause: failure })
  }
}

function describeFailure(failure: unknown): string {
  if (!(failure instanceof Error)) return String(failure)
  if ('code' in failure && failure.code === 'ENOENT') {
    return (
      'BadgerDB is measured by a program in Go, and no `go` is on the PATH; ' +
      'install Go 1.24 or newer: https://go.dev/dl/'
    )
  }
  const said = 'stderr' in failure ? String(failure.stderr).trim() : failure.message
  return [
    'the Go driver of BadgerDB cannot be built (the first time, go fetches its modules from GOPROXY):',
    ...said.split('\n').slice(-LINES_SHOWN),
  ].join('\n')
}

let built: Promise<ProgramCommand> | undefined

/** Both sets of options are one program; a failure is tried again. */
function program(): Promise<ProgramCommand> {
  built ??= build().catch((failure: unknown) => {
    built = undefined
    throw failure
  })
  return built
}

function badgerEngine(name: string): ProgramEngine {
  return {
    name,
    kind: 'peer',
    durability: {
      os: 'SyncWrites off: acked when the log is in the kernel, as mapped memory',
      sync: 'SyncWrites: acked when the log is synced',
    },
    persistent: true,
    answers: true,
    only: VOCABULARY.map((info) => info.name),
    program,
  }
}

/**
 * `badger`: DefaultOptions, so values below 1 MiB lie in the tree. `badger:tuned`: no compression, no block cache, no
 * metrics, memtables of 128 MiB, values of 1 KiB and more in the value log as Sett has them, no detection of conflicts,
 * and iterators of `seekrandom10` that read no values ahead.
 */
export const badgerEngines: readonly ProgramEngine[] = [
  badgerEngine('badger'),
  badgerEngine('badger:tuned'),
]
