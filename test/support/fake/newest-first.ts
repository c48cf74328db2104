// An executor with two workers, as far as flushes go: it waits a little for a second one, and then does the newer one
// first. Everything happens on the calling thread, in turns, so the same calls give the same steps.
import { systemClock } from '../../../src/base/clock.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import type { JobResult, JobSpec } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import type { Executor, JobTicket } from '../../../src/pool/executor.ts'
import { type InlineDependencies, inlineExecutor } from '../../../src/pool/inline-executor.ts'

/** Of the event loop, in which a second flush may come. */
const PATIENCE = 60

export function newestFirst(
  tools: Pick<InlineDependencies, 'kernels' | 'random'> & { readonly fs: FileSystem },
): Executor {
  const inner = inlineExecutor({ ...tools, runJob })
  const held: (() => void)[] = []
  const letGo = (): void => {
    for (const begin of held.splice(0).reverse()) begin()
  }
  const wait = (left: number): void => {
    if (left === 0) letGo()
    else if (held.length > 0) systemClock.nextTurn(() => wait(left - 1))
  }
  return {
    workers: 2,
    idle: 0,
    run<T extends JobResult>(spec: JobSpec, ticket: JobTicket): Promise<T> {
      if (spec.kind !== 'flush') return inner.run<T>(spec, ticket)
      return new Promise<T>((resolve, reject) => {
        held.push(() => void inner.run<T>(spec, ticket).then(resolve, reject))
        if (held.length > 1) letGo()
        else wait(PATIENCE)
      })
    },
    warmUp: () => undefined,
    stats: () => inner.stats(),
    close: () => inner.close(),
  }
}
