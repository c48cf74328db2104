// An engine over a file system of the test's choice, small enough that a few kilobytes rotate its memtable.
import { resolveOptions } from '../../src/base/options.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import type { FileSystem } from '../../src/io/file-system.ts'

export const small: object = { workers: 0, memtableSize: 65_536, memoryBudget: 8 * 1024 * 1024 }

export function start(fs: FileSystem, options: object = {}): Promise<StorageEngine> {
  return openEngine('/db', resolveOptions({ ...small, ...options }), { fs })
}

/** Code of the error the work rejects with. */
export async function codeOf(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  return error instanceof Error && 'code' in error ? String(error.code) : 'no error'
}

/** Fails instead of hanging the run. */
export async function endsWithin<T>(limitMs: number, work: Promise<T>): Promise<T> {
  const late = Symbol('late')
  const timer = new Promise<typeof late>((resolve) => setTimeout(() => resolve(late), limitMs))
  const first = await Promise.race([work, timer])
  if (first === late) throw new Error('it never ended')
  return first as T
}
