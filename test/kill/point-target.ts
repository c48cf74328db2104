// What a writer writes to: the built package, or, when it is to die at a named point, the engine on a file system that
// kills it there.
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import { KillSwitch, killingFileSystem } from './killing-file-system.ts'
import type { CommitTarget, WriterOrder } from './messages.ts'

export async function openAtPoint(
  { directory, options }: WriterOrder,
  { index, nth }: { readonly index: number; readonly nth: number },
): Promise<CommitTarget> {
  const workerUrl = new URL('./killing-worker.js', import.meta.url).href
  const resolved = resolveOptions({ ...options, workerUrl })
  const kill = KillSwitch.arm(index, nth, resolved.workers)
  const engine = await openEngine(directory, resolved, { fs: killingFileSystem(kill) })
  kill.enter('running')
  return {
    put: (key, value) => engine.put(key, value, {}),
    del: (key) => engine.del(key, {}),
    batch: (writes) => engine.batch(writes, {}),
    flush: () => engine.flush(),
    compactRange: () => engine.compactRange(undefined, undefined),
    collectGarbage: () => engine.collectGarbage(0.1),
    close() {
      kill.enter('closing')
      return engine.close()
    },
  }
}
