// Where the measured databases lie while a command runs: one folder of its own, removed however the command ends; and
// whether the disk has room for them.
import { mkdtemp, rm, stat, statfs } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { messageOf } from './errors.ts'

const GIB = 2 ** 30

export type FreeBytes = (directory: string) => Promise<number>

export const freeBytes: FreeBytes = async (directory) => {
  const { bavail, bsize } = await statfs(directory)
  return bavail * bsize
}

/** Throws, with both figures, when `directory` has less room than `needed` bytes. */
export async function requireSpace(
  directory: string,
  needed: number,
  free: FreeBytes,
): Promise<void> {
  const found = await stat(directory).catch((cause: unknown) => {
    throw new Error(`--directory ${directory} cannot be used: ${messageOf(cause)}`, { cause })
  })
  if (!found.isDirectory()) throw new Error(`--directory ${directory} is no directory`)
  const available = await free(directory)
  if (available >= needed) return
  const [want, have] = [needed, available].map((bytes) => (bytes / GIB).toFixed(1))
  throw new Error(
    `disk too small: needs about ${want} GiB in ${resolve(directory)}, ${have} GiB free; ` +
      'use --directory or fewer keys (--count)',
  )
}

/** Runs `work` with a new folder below `directory`. */
export async function withScratch<T>(
  directory: string,
  work: (root: string) => Promise<T>,
): Promise<T> {
  const root = await mkdtemp(join(directory, 'sett-bench-'))
  try {
    return await work(root)
  } finally {
    await removeTree(root)
  }
}

/** Tried again while a process that was just killed lets go of its files. */
export async function removeTree(path: string): Promise<void> {
  await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
}
