// ingest: list → store in batches → close → reopen → read back and compare → scan by prefix → report.
import { Database } from '../../../api/database.ts'
import { SettError } from '../../../base/errors.ts'
import type { Options } from '../../../base/option-table.ts'
import { resolveOptions } from '../../../base/options.ts'
import { EXIT, line, type Terminal } from '../terminal.ts'
import { checkFiles, countFolders } from './check-files.ts'
import { measured } from './phase.ts'
import { choosePlace, type Place, removePlace } from './place.ts'
import { startProgress } from './progress.ts'
import { describeIngest, failures, type IngestReport, skippedFiles } from './report.ts'
import { storeFiles } from './store-files.ts'
import { listFiles, type OnSkip, type SkipReason } from './walk.ts'

export interface IngestInput {
  readonly source: string
  readonly db: string | undefined
  readonly keep: boolean
  readonly json: boolean
  readonly options: Options
}

type Bytes = Database<Buffer, Buffer>

/** A commit must stay below this share of the budget; what it needs beside the bytes is left. */
const COMMIT_SHARE = 4
const COMMIT_MARGIN = 128 * 1024

export async function ingest(terminal: Terminal, input: IngestInput): Promise<number> {
  const interrupt = listenForInterrupt(terminal)
  let place: Place | undefined
  try {
    place = await choosePlace(input.source, input.db)
    const report = await run(terminal, { input, place, stopped: interrupt.stopped })
    line(terminal.stdout, input.json ? JSON.stringify(report) : describeIngest(report))
    if (!place.temporary || input.keep) line(terminal.stderr, `The database is in ${place.db}`)
    return exitCode(report)
  } finally {
    interrupt.stop()
    if (place?.temporary === true && !input.keep) await removePlace(place)
  }
}

function exitCode(report: IngestReport): number {
  if (report.interrupted) return EXIT.interrupted
  if (failures(report) > 0) {
    throw new SettError(
      'LEVEL_CORRUPTION',
      'What was read back is not what was stored. Keep the database with --keep and report this.',
    )
  }
  return skippedFiles(report) > 0 ? EXIT.skipped : EXIT.ok
}

/** The first Ctrl-C asks to stop after the current batch; the second one ends the process. */
function listenForInterrupt(terminal: Terminal): { stopped(): boolean; stop(): void } {
  let stopped = false
  const onInterrupt = (): void => {
    stopped = true
    line(terminal.stderr, '\nStopping: the current batch is being finished.')
  }
  process.once('SIGINT', onInterrupt)
  return {
    stopped: () => stopped,
    stop: () => void process.removeListener('SIGINT', onInterrupt),
  }
}

interface Run {
  readonly input: IngestInput
  readonly place: Place
  readonly stopped: () => boolean
}

async function run(terminal: Terminal, { input, place, stopped }: Run): Promise<IngestReport> {
  const skipped: Partial<Record<SkipReason, number>> = {}
  const onSkip: OnSkip = (reason) => {
    skipped[reason] = (skipped[reason] ?? 0) + 1
  }
  const { memoryBudget } = resolveOptions(input.options)
  const database = openDatabase(place.db, input.options)
  await database.open()
  const stored = await closing(database, async () => {
    const listing = await listFiles(place.source, onSkip, stopped)
    const progress = await startProgress(terminal, 'storing', listing.files.length)
    const phase = await measured(async () => {
      try {
        const bytesMax = Math.floor(memoryBudget / COMMIT_SHARE) - COMMIT_MARGIN
        const { files } = listing
        const onProgress = progress.update
        return await storeFiles({ database, files, bytesMax, onSkip, onProgress, stopped })
      } finally {
        progress.stop()
      }
    })
    if (!stopped()) await database.settle()
    return { listing, files: phase.result, write: phase.figures, stats: database.stats() }
  })
  const { listing, files, write, stats } = stored
  const readBack = stopped() ? undefined : await check(terminal, { input, place, stopped }, files)
  return {
    source: place.source,
    database: place.db,
    interrupted: stopped(),
    files: files.length,
    bytes: files.reduce((sum, { size }) => sum + size, 0),
    links: listing.links,
    namesNotUtf8: listing.namesNotUtf8,
    skipped,
    write,
    read: readBack?.figures,
    checked: readBack?.checked,
    folders: readBack?.folders ?? [],
    stats: { ...stats, levels: readBack?.levels ?? stats.levels },
  }
}

type Stored = Awaited<ReturnType<typeof storeFiles>>

async function check(terminal: Terminal, { input, place, stopped }: Run, stored: Stored) {
  const database = openDatabase(place.db, input.options)
  await database.open()
  return closing(database, async () => {
    const progress = await startProgress(terminal, 'reading', stored.length)
    const { result, figures } = await measured(async () => {
      try {
        return await checkFiles({ database, stored, onProgress: progress.update, stopped })
      } finally {
        progress.stop()
      }
    })
    const folders = stopped() ? [] : await countFolders(database, stored)
    return { checked: result, figures, folders, levels: database.stats().levels }
  })
}

function openDatabase(db: string, options: Options): Bytes {
  return new Database(db, { ...options, keyEncoding: 'buffer', valueEncoding: 'buffer' })
}

async function closing<T>(database: Bytes, work: () => Promise<T>): Promise<T> {
  try {
    return await work()
  } finally {
    await database.close()
  }
}
