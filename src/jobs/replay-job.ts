// Replay as a job: one WAL file into one arena, on whichever thread the executor picks.
import { replayWal } from '../wal/replay.ts'
import type { JobContext, ReplayResult, ReplaySpec } from './job.ts'

export function runReplay(spec: ReplaySpec, context: JobContext): ReplayResult {
  const { directory, number, salt, sealed, arena } = spec
  const { fs, kernels, heap, cancelled } = context
  const source = { fs, directory, number, salt, ...(sealed === undefined ? {} : { sealed }) }
  return { kind: 'replay', ...replayWal(source, { kernels, heap, arena, cancelled }) }
}
