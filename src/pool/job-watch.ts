// Notices a job that does not get on. Main thread. It counts looks, not time: a process that was stopped, or whose
// event loop was held for minutes, has looked once in all that time, so no job is blamed for it.
import type { Clock, TimerHandle } from '../base/clock.ts'

/** So many looks in a row must find nothing new. */
const LOOKS = 10

export interface JobWatch {
  readonly clock: Clock
  /** Without a sign of life for about so long the job is given up. */
  readonly silenceMs: number
  /** Any number that changes while the job gets on. */
  readonly beats: () => number
  readonly silent: () => void
}

/** Returns what ends the watch. Its timer does not keep the process alive. */
export function watchJob({ clock, silenceMs, beats, silent }: JobWatch): () => void {
  let timer: TimerHandle
  let seen = beats()
  let quiet = 0
  const arm = (): void => {
    timer = clock.after(silenceMs / LOOKS, look)
    timer.unref()
  }
  const look = (): void => {
    const now = beats()
    quiet = now === seen ? quiet + 1 : 0
    seen = now
    if (quiet < LOOKS) arm()
    else silent()
  }
  arm()
  return () => timer.cancel()
}
