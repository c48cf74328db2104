// Ties memtables to what is built after them. Main thread.
import { assert } from '../../base/assert.ts'
import type { MemtablesEvents } from '../memtables.ts'

/** Lets the memtables be built before those they report to. */
export class EventBindings implements MemtablesEvents {
  #events: MemtablesEvents | undefined

  bind(events: MemtablesEvents): void {
    this.#events = events
  }

  changed(): void {
    this.#bound.changed()
  }

  flushable(): void {
    this.#bound.flushable()
  }

  flushComes(): void {
    this.#bound.flushComes()
  }

  roomChanged(): void {
    this.#bound.roomChanged()
  }

  blocked(error: Error): void {
    this.#bound.blocked(error)
  }

  stalled(): boolean {
    return this.#bound.stalled()
  }

  get #bound(): MemtablesEvents {
    assert(this.#events !== undefined, 'memtables are used after they are wired')
    return this.#events
  }
}
