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

/** What takes longer hangs, however slow the machine; less than a test may take. */
const PATIENCE_MS = 20_000

/** Fails instead of hanging the run. */
export async function endsWithin<T>(limitMs: number, work: Promise<T>): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it never ended')), limitMs)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

/** The same for whatever ends by itself. */
export function ends<T>(work: Promise<T>): Promise<T> {
  return endsWithin(PATIENCE_MS, work)
}

/** Turns of the event loop: enough for all that is under way on a file system in memory, on any machine. A pause is
 * not: a process that was held up meanwhile has had one turn in it. */
export async function turns(count = 100): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Asks again and again until nothing is thrown; fails with the last answer. */
export async function soon<T>(ask: () => T | Promise<T>): Promise<T> {
  for (const end = performance.now() + PATIENCE_MS; ; ) {
    try {
      return await ask()
    } catch (error) {
      if (performance.now() > end) throw error
    }
    await new Promise((resolve) => setTimeout(resolve, 2))
  }
}
