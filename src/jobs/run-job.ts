// Runs any job on the calling thread.
import { unreachable } from '../base/assert.ts'
import { runCompaction } from './compaction-job.ts'
import { runFlush } from './flush-job.ts'
import type { JobContext, JobResult, JobSpec } from './job.ts'
import { runReplay } from './replay-job.ts'
import { runSalvage } from './salvage-job.ts'
import { runSample } from './sample-job.ts'
import { runVerify } from './verify-job.ts'

export function runJob(spec: JobSpec, context: JobContext): JobResult {
  switch (spec.kind) {
    case 'flush':
      return runFlush(spec, context)
    case 'compact':
      return runCompaction(spec, context)
    case 'sample':
      return runSample(spec, context)
    case 'replay':
      return runReplay(spec, context)
    case 'salvage':
      return runSalvage(spec, context)
    case 'verify':
      return runVerify(spec, context)
    default:
      return unreachable(spec, 'job')
  }
}
