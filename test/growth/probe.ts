// What a process holds: descriptors, memory, handles that keep it alive. Linux reads /proc; elsewhere descriptors
// count as 0 on both sides.
import { existsSync, readdirSync } from 'node:fs'

/** Memory budget of the database that is filled. */
export const FILL_BUDGET_MIB = 96

export interface Holdings {
  readonly descriptors: number
  readonly residentMiB: number
  /** Live JavaScript objects. */
  readonly heapMiB: number
  /** What keeps the event loop alive. */
  readonly handles: number
  readonly threads: number
}

export async function holdings(): Promise<Holdings> {
  for (let round = 0; round < 3; round++) {
    global.gc?.()
    await new Promise((resolve) => setTimeout(resolve, 20))
    await new Promise((resolve) => setImmediate(resolve))
  }
  return {
    descriptors: entriesOf('/proc/self/fd'),
    heapMiB: Math.round((process.memoryUsage().heapUsed / 2 ** 20) * 10) / 10,
    residentMiB: Math.round(process.memoryUsage.rss() / 2 ** 20),
    handles: process.getActiveResourcesInfo().length,
    threads: entriesOf('/proc/self/task'),
  }
}

function entriesOf(directory: string): number {
  return existsSync(directory) ? readdirSync(directory).length : 0
}

export function show(held: Holdings): string {
  const { descriptors, residentMiB, heapMiB, handles, threads } = held
  const memory = `${residentMiB} MiB resident (JavaScript heap ${heapMiB})`
  return `${descriptors} descriptors, ${memory}, ${handles} handles, ${threads} threads`
}
