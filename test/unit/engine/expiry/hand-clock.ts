// A clock of the test's own: wall time stands until it is told to go on, and timers run when it has come to them.
import { type Clock, systemClock } from '../../../../src/base/clock.ts'

interface Timer {
  readonly at: number
  readonly run: () => void
}

export class HandClock implements Clock {
  wall: number
  readonly timers: Set<Timer> = new Set()

  constructor(wall: number) {
    this.wall = wall
  }

  wallMs(): number {
    return this.wall
  }

  monotonicMs(): number {
    return systemClock.monotonicMs()
  }

  nextTurn(run: () => void): void {
    systemClock.nextTurn(run)
  }

  after(delayMs: number, run: () => void): ReturnType<Clock['after']> {
    const timer = { at: this.wall + delayMs, run }
    this.timers.add(timer)
    return { unref: () => undefined, cancel: () => void this.timers.delete(timer) }
  }

  /** Time passes; timers that are due by then run. */
  pass(ms: number): void {
    this.wall += ms
    for (const timer of [...this.timers].sort((a, b) => a.at - b.at)) {
      if (timer.at > this.wall || !this.timers.delete(timer)) continue
      timer.run()
    }
  }
}
