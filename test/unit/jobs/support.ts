// Jobs on the calling thread, over the bench of the table tests, and the model of what they must keep.
import { basename } from 'node:path'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import { segmentPath, tablePath } from '../../../src/io/file-names.ts'
import type {
  CompactSpec,
  FileNumbers,
  JobContext,
  JobReport,
  OutputFile,
  TableShape,
  TablesResult,
} from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { compactWorkspaceBytes, flushWorkspaceBytes } from '../../../src/jobs/workspace.ts'
import { KIND_DELETE, KIND_POINTER, KIND_PUT } from '../../../src/kernel/layout.ts'
import { arenaBytes, EXPIRY_BYTES, Memtable, recordBytes } from '../../../src/memtable/memtable.ts'
import type { Readers } from '../../../src/mvcc/pins.ts'
import {
  type Bench,
  compareEntries,
  DIRECTORY,
  type PlainEntry,
  SHAPE,
} from '../sstable/support.ts'

export class JobBench {
  /** What failed jobs left, and who gave them their numbers removed. */
  readonly left: string[] = []
  /** What was there before the job, and what the job told of. */
  #inputs: ReadonlySet<string> = new Set()
  readonly #told = new Set<string>()
  readonly bench: Bench
  readonly reports: JobReport[] = []
  cancelled = false
  #number = 1

  constructor(bench: Bench) {
    this.bench = bench
  }

  get context(): JobContext {
    const { fs, kernels, heap, randomFill } = this.bench
    return {
      fs,
      kernels,
      heap,
      randomFill,
      report: (report) => {
        this.reports.push(report)
        if (report.kind === 'output') this.#told.add(outputName(report))
      },
      cancelled: () => this.cancelled,
    }
  }

  /** Links entries into a memtable in the order of their versions. */
  memtable(entries: readonly PlainEntry[]): Memtable {
    const { bench } = this
    const size = (entry: PlainEntry) =>
      recordBytes(entry.key.length, entry.value?.length ?? 0) + EXPIRY_BYTES
    const bytes = entries.reduce((sum, entry) => sum + size(entry), 0)
    const arena = bench.take(Math.max(64 * 1024, arenaBytes(bytes, entries.length, 0)))
    const memtable = Memtable.create(bench.heap, bench.kernels, arena)
    for (const entry of [...entries].sort((a, b) => a.version - b.version)) {
      const put = entry.pointer === true ? KIND_POINTER : KIND_PUT
      const tag = entry.value === undefined ? KIND_DELETE : put
      const { key, value, version, expiresAt } = entry
      const first =
        expiresAt === undefined
          ? memtable.encode(tag, version, key, value)
          : memtable.encodeExpiring(tag, version, { key, value, expiresAt })
      memtable.link(first, memtable.recordEnd, 1)
    }
    return memtable
  }

  flush(
    memtable: Memtable,
    readers: readonly number[] | Readers,
    shape: TableShape = SHAPE,
    ...outputs: [count?: number, tablesAhead?: number]
  ): TablesResult {
    const { bench } = this
    const workspace = bench.take(flushWorkspaceBytes(shape, memtable.largestEntry))
    const numbers = this.#takeNumbers(...outputs)
    try {
      const result = runJob(
        {
          kind: 'flush',
          directory: DIRECTORY,
          arena: memtable.arena.address,
          shape,
          numbers,
          workspace,
          newestWal: 3,
          ...('horizons' in readers ? readers : { snapshots: readers }),
        },
        this.context,
      )
      return result as TablesResult
    } catch (error) {
      this.#removeOutputs(numbers)
      throw error
    } finally {
      bench.allocator.free(workspace)
    }
  }

  compact(
    sources: readonly (readonly TableMeta[])[],
    rest: Pick<CompactSpec, 'snapshots' | 'horizons' | 'dropTombstones' | 'bounds' | 'relocate'>,
    shape: TableShape = SHAPE,
    ...outputs: [count?: number, tablesAhead?: number]
  ): TablesResult {
    const { bench } = this
    const largest = sources.flat().reduce((most, table) => Math.max(most, table.largestBlock), 0)
    const workspace = bench.take(compactWorkspaceBytes(shape, sources.length, largest))
    const numbers = this.#takeNumbers(...outputs)
    try {
      const result = runJob(
        {
          kind: 'compact',
          directory: DIRECTORY,
          sources,
          outputLevel: 1,
          shape,
          numbers,
          workspace,
          ...rest,
        },
        this.context,
      )
      return result as TablesResult
    } catch (error) {
      this.#removeOutputs(numbers)
      throw error
    } finally {
      bench.allocator.free(workspace)
    }
  }

  read(tables: readonly TableMeta[]): PlainEntry[] {
    const open = this.bench.open()
    const { source, memory } = this.bench.source(tables, open)
    const entries = this.bench.drain(source)
    this.bench.allocator.free(memory)
    open.closeAll()
    return entries
  }

  /** As the engine does: a failed job may leave what it told of under the numbers it was given, and nothing else. */
  #removeOutputs({ first, count }: FileNumbers): void {
    const { fs } = this.bench
    for (const name of fs.listSync(DIRECTORY)) {
      if (this.#inputs.has(name)) continue
      const number = Number.parseInt(name, 10)
      const given = number >= first && number < first + count
      if (!given || !this.#told.has(name)) throw new Error(`a job left ${name}`)
      this.left.push(name)
      fs.removeSync(`${DIRECTORY}/${name}`)
    }
  }

  #takeNumbers(count = 500, tablesAhead = 200): FileNumbers {
    const { fs } = this.bench
    this.#inputs = new Set(fs.listSync(DIRECTORY))
    this.#told.clear()
    const first = this.#number
    this.#number += count
    return { first, count, tablesAhead }
  }
}

export function outputName({ file, number }: OutputFile): string {
  return basename(file === 'sst' ? tablePath('', number) : segmentPath('', number))
}

/** Entries that must be kept: newer than every snapshot, or the newest of their key some snapshot sees. What has
 * expired for all who could see it is a deletion. */
export function keepModel(
  given: readonly PlainEntry[],
  snapshots: readonly number[],
  dropTombstones: boolean,
  horizons?: readonly number[],
): PlainEntry[] {
  const entries = given.map((entry) => (gone(entry) ? deletionOf(entry) : entry))
  function gone({ version, value, expiresAt }: PlainEntry): boolean {
    if (value === undefined || expiresAt === undefined || horizons === undefined) return false
    const seeing = horizons.filter((_, i) => (snapshots[i] as number) >= version)
    return seeing.length > 0 && seeing.every((horizon) => horizon >= expiresAt)
  }
  const oldest = snapshots[0] as number
  const newest = snapshots.at(-1) as number
  const byKey = new Map<string, PlainEntry[]>()
  for (const entry of [...entries].sort(compareEntries)) {
    const key = entry.key.toString('latin1')
    byKey.set(key, [...(byKey.get(key) ?? []), entry])
  }
  const kept: PlainEntry[] = []
  for (const versions of byKey.values()) {
    const seen = new Set(versions.filter(({ version }) => version > newest))
    for (const snapshot of snapshots) {
      const visible = versions.find(({ version }) => version <= snapshot)
      if (visible !== undefined) seen.add(visible)
    }
    for (const entry of versions) {
      const gone = dropTombstones && entry.value === undefined && entry.version <= oldest
      if (seen.has(entry) && !gone) kept.push(entry)
    }
  }
  return kept
}

function deletionOf({ key, version }: PlainEntry): PlainEntry {
  return { key, version, value: undefined }
}
