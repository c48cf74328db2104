// A clock whose timers do not wait: each runs in a turn of its own, in order, and takes the time with it. Time stands
// still otherwise, so that what is measured by it is the same in every run.
import type { Clock, LoopTimes, TimerHandle } from '../../../src/base/clock.ts'

interface Timer {
  readonly at: number
  readonly run: () => void
}

export class QuickClock implements Clock {
  now = 1_000
  /** What the loop is said to have done. */
  loop: LoopTimes | undefined
  #timers: Timer[] = []
  #stepping = false
  #held = false

  get pending(): number {
    return this.#timers.length
  }

  wallMs(): number {
    return this.now
  }

  monotonicMs(): number {
    return this.now
  }

  loopTimes(): LoopTimes | undefined {
    return this.loop
  }

  after(delayMs: number, run: () => void): TimerHandle {
    const timer = { at: this.now + delayMs, run }
    this.#timers.push(timer)
    this.#timers.sort((a, b) => a.at - b.at)
    this.#step()
    const cancel = (): void => {
      this.#timers = this.#timers.filter((other) => other !== timer)
    }
    return { cancel, unref: () => undefined }
  }

  nextTurn(run: () => void): void {
    setImmediate(run)
  }

  /** No timer runs until release(). */
  hold(): void {
    this.#held = true
  }

  release(): void {
    this.#held = false
    this.#step()
  }

  /** Lets so much time pass, timers included. */
  async pass(ms: number): Promise<void> {
    await new Promise<void>((resolve) => void this.after(ms, resolve))
    await new Promise((resolve) => setImmediate(resolve))
  }

  /** The same, and then time stands still. */
  async passAndHold(ms: number): Promise<void> {
    this.release()
    await new Promise<void>((resolve) => {
      this.after(ms, () => {
        this.hold()
        resolve()
      })
    })
  }

  /** A few turns between two timers: what one of them began goes on before the next. */
  #step(): void {
    if (this.#stepping || this.#held || this.#timers.length === 0) return
    this.#stepping = true
    let turns = 8
    const turn = (): void => {
      turns -= 1
      if (turns > 0) {
        setImmediate(turn)
        return
      }
      this.#stepping = false
      if (this.#held) return
      const timer = this.#timers.shift()
      if (timer !== undefined) {
        this.now = Math.max(this.now, timer.at)
        timer.run()
      }
      this.#step()
    }
    setImmediate(turn)
  }
}
