// Moves the records of a log into tables, whole commits only, in the order they were written, but those whose value
// cannot be read any more. Main thread and a job.
import { assert } from '../../base/assert.ts'
import { VERSION_MAX } from '../../base/limits.ts'
import { decodeRecord } from '../../format/record.ts'
import type { FlushSpec, TablesResult } from '../../jobs/job.ts'
import { LostValueList } from '../../jobs/salvage/lost-values.ts'
import { POINTED_VALUES_BYTES, PointedValues } from '../../jobs/salvage/pointed-values.ts'
import { ValueJudge } from '../../jobs/salvage/value-sieve.ts'
import { flushWorkspaceBytes } from '../../jobs/workspace.ts'
import { ARENA_HEADER } from '../../kernel/layout.ts'
import type { TableMeta } from '../../manifest/levels.ts'
import type { Region } from '../../memory/shared-heap.ts'
import { replayArenaBytes } from '../../wal/replay.ts'
import { surveyWal } from '../../wal/wal-survey.ts'
import type { FoundWal } from './found-wals.ts'
import { onSoundSegments } from './repair-tables.ts'
import type { Bench, Workshop } from './workshop.ts'

export async function tablesOfWal(shop: Workshop, wal: FoundWal): Promise<readonly TableMeta[]> {
  const { survey, number, length } = wal
  const { directory, shape } = shop
  if (survey.records === 0) return []
  const bytes = Math.min(survey.fileLength, length ?? survey.fileLength)
  const arenaBytes = replayArenaBytes(bytes, survey.records)
  const workspaceBytes = flushWorkspaceBytes(shape, survey.largestEntry)
  const otherBytes = arenaBytes + POINTED_VALUES_BYTES + 64
  const { tables, segments } = await shop.with({ workspaceBytes, otherBytes }, async (bench) => {
    const arena = bench.take(arenaBytes)
    const linked = link(shop, wal, bench, arena)
    if (linked === 0) return { tables: [], segments: [] }
    return bench.run<TablesResult>(
      (workspace): FlushSpec => ({
        kind: 'flush',
        directory,
        arena: arena.address,
        shape,
        numbers: shop.outputs(arena.length, 1),
        workspace,
        newestWal: number,
        snapshots: [VERSION_MAX],
      }),
    )
  })
  shop.segments.add(segments)
  const sound: TableMeta[] = []
  for (const table of tables) sound.push(...(await onSoundSegments(shop, table)))
  return sound
}

/** Links what counts of a log into the arena; returns how many records. */
function link(shop: Workshop, wal: FoundWal, bench: Bench, region: Region): number {
  const { heap, kernels } = bench
  const { address: arena } = region
  const { fs, directory, segments } = shop
  const { path, number, salt, length } = wal
  const memory = bench.take(POINTED_VALUES_BYTES)
  const machine = { heap, kernels }
  const values = new PointedValues(machine, memory, { directory, segments: segments.places }, fs)
  const lost = new LostValueList()
  const judge = new ValueJudge(machine, values, lost, path)
  kernels.memtableInit(arena, arena + region.length)
  let at = arena + ARENA_HEADER
  let records = 0
  try {
    surveyWal(
      { fs, path, number, salt, length },
      {
        records(run) {
          heap.bytes.set(run, at)
          const end = keepReadable(heap.bytes, { from: at, to: at + run.length, path }, judge)
          const linked = kernels.memtableLink(arena, at, end)
          assert(linked >= 0, 'records that were checked can be linked')
          records += linked
          at = end
        },
      },
    )
  } finally {
    values.closeAll()
  }
  segments.lose(lost.runs())
  shop.notes.logRecords += records
  return records
}

interface Run {
  readonly from: number
  readonly to: number
  readonly path: string
}

/** Moves the records whose value can be read to the front of the run; returns where they end. */
function keepReadable(bytes: Buffer, { from, to, path }: Run, judge: ValueJudge): number {
  let end = from
  for (let at = from; at < to; ) {
    const { kind, key, value, length } = decodeRecord(bytes.subarray(at, to), path, 0)
    const entry = {
      key: key.byteOffset - bytes.byteOffset,
      keyLength: key.length,
      value: value.byteOffset - bytes.byteOffset,
      valueLength: value.length,
    }
    if (kind !== 'pointer' || judge.canBeRead(entry)) {
      if (end !== at) bytes.copyWithin(end, at, at + length)
      end += length
    }
    at += length
  }
  return end
}
