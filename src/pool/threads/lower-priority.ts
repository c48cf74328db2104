// What makes a background thread give way. Where threads are more than cores, the main thread would otherwise stand in
// line behind whole slices of flushes and compactions, several milliseconds each, and the event loop with it.
import { constants, getPriority, setPriority } from 'node:os'

/**
 * A third of the weight of an ordinary thread, by which Linux shares cores out (sched(7)): enough that two such threads
 * are put on one core and the main thread has another, little enough that flushes get on beside a busy machine. RocksDB
 * does so for its background threads, too (Env::LowerThreadPoolCPUPriority).
 */
export const BACKGROUND_NICE = 5

/** Of the calling thread and no other. Only on Linux has a thread a priority of its own there; elsewhere it is the
 * process's, which is the application's. */
export function lowerOwnPriority(platform: NodeJS.Platform = process.platform): void {
  if (platform !== 'linux') return
  try {
    // The process's own may be low already.
    setPriority(0, Math.min(constants.priority.PRIORITY_LOW, getPriority(0) + BACKGROUND_NICE))
  } catch {
    // A sandbox may forbid it: then the thread works like every other.
    return
  }
}
