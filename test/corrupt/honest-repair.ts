// Random damage to a database, and what a repair of it must have saved and must not have invented.
import { expect } from 'vitest'
import type { RepairReport } from '../../src/engine/repair/report.ts'
import type { FaultFileSystem } from '../faults/fault-file-system.ts'
import type { History } from './damaged-directories.ts'

export function randomOf(seed: number): (below: number) => number {
  let state = seed >>> 0
  return (below) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0
    return Math.floor((state / 2 ** 32) * below)
  }
}

/** One file of the database, damaged in one way; says how. */
export function damage(
  image: Map<string, Buffer>,
  random: (below: number) => number,
  only: RegExp = /./,
): string {
  const names = [...image.keys()].filter((name) => name !== 'LOCK' && only.test(name))
  const name = names[random(names.length)] as string
  const bytes = Buffer.from(image.get(name) as Buffer)
  const at = random(bytes.length)
  const kind = random(5)
  if (kind === 0) bytes[at] = (bytes[at] as number) ^ (1 << random(8))
  else if (kind === 1) bytes.fill(0, at, Math.min(bytes.length, at + 512))
  else if (kind === 2) bytes.copy(bytes, at, random(bytes.length), bytes.length)
  if (kind === 4) image.delete(name)
  else image.set(name, kind === 3 ? bytes.subarray(0, at) : bytes)
  return `${['bit', 'zeros', 'copied', 'cut', 'removed'][kind]} at ${at} of ${name}`
}

function between(key: string, { lost }: RepairReport): boolean {
  return lost.some(({ keys }) => {
    const bytes = Buffer.from(key)
    return (
      keys !== undefined &&
      Buffer.compare(keys.first, bytes) <= 0 &&
      Buffer.compare(bytes, keys.last) <= 0
    )
  })
}

/** Right wherever nothing was lost; never a value the key did not have. */
export function requireHonest(
  content: ReadonlyMap<string, string>,
  { history, report, how }: { history: History; report: RepairReport; how: string },
): void {
  for (const [key, value] of content) expect(history.everWritten.get(key), how).toContain(value)
  const logLost = report.lost.some(({ kind }) => kind === 'wal')
  for (const key of history.everWritten.keys()) {
    if (between(key, report)) continue
    // Of a log its end may be lost: then what was written before it counts.
    const earlier = [...history.everWritten.get(key)!].at(-2)
    const right = [history.whole.get(key), ...(logLost ? [history.inTables.get(key), earlier] : [])]
    expect(right, `${key}: ${how}`).toContain(content.get(key))
  }
}

/** Repairs on a disk that fails from the so-many-th step on. True: the repair has fewer steps, and ended. */
export async function crashAt(
  fs: FaultFileSystem,
  step: number,
  mend: () => Promise<RepairReport>,
): Promise<boolean> {
  const on = ['create', 'write', 'sync', 'truncate', 'remove', 'rename', 'syncDirectory'] as const
  const crash = fs.inject({ on, nth: step, forever: true, errno: 'EIO' })
  try {
    await mend()
    return true
  } catch (error) {
    expect((error as Error).message).toMatch(/EIO/)
    return false
  } finally {
    crash.lift()
  }
}
