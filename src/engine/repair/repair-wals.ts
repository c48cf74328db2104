// Moves the records of a log into tables, whole commits only, in the order they were written. Main thread and a job.
import { assert } from '../../base/assert.ts'
import { VERSION_MAX } from '../../base/limits.ts'
import type { FlushSpec, TablesResult } from '../../jobs/job.ts'
import { flushWorkspaceBytes } from '../../jobs/workspace.ts'
import { ARENA_HEADER } from '../../kernel/layout.ts'
import type { TableMeta } from '../../manifest/levels.ts'
import { replayArenaBytes } from '../../wal/replay.ts'
import { surveyWal } from '../../wal/wal-survey.ts'
import type { FoundWal } from './found-wals.ts'
import type { Workshop } from './workshop.ts'

export async function tablesOfWal(shop: Workshop, wal: FoundWal): Promise<readonly TableMeta[]> {
  const { survey, number, length } = wal
  const { fs, directory, shape } = shop
  if (survey.records === 0) return []
  const bytes = Math.min(survey.fileLength, length ?? survey.fileLength)
  const arenaBytes = replayArenaBytes(bytes, survey.records)
  const workspaceBytes = flushWorkspaceBytes(shape, survey.largestEntry)
  return shop.with(
    { workspaceBytes, otherBytes: arenaBytes },
    async ({ heap, kernels, ...bench }) => {
      const arena = bench.take(arenaBytes)
      kernels.memtableInit(arena.address, arena.address + arena.length)
      let at = arena.address + ARENA_HEADER
      const { path, salt } = wal
      const again = surveyWal(
        { fs, path, number, salt, length },
        {
          records(run) {
            heap.bytes.set(run, at)
            const linked = kernels.memtableLink(arena.address, at, at + run.length)
            assert(linked >= 0, 'records that were checked can be linked')
            at += run.length
          },
        },
      )
      shop.notes.logRecords += again.records
      const result = await bench.run<TablesResult>(
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
      return result.tables
    },
  )
}
