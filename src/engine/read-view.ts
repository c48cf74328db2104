// What a read sees: memtables, newest first, and levels, at one moment. Main thread. Views are immutable; a new one
// replaces the current one, and what only older views could see is released once none of them is pinned.
// A synchronous read needs no pin: nothing is released while it runs.
import { assert } from '../base/assert.ts'
import type { Levels } from '../manifest/levels.ts'
import type { Memtable } from '../memtable/memtable.ts'
import type { LevelFence } from './level-fences.ts'

export interface ReadView {
  /** Newest first; the active one leads. */
  readonly memtables: readonly Memtable[]
  readonly levels: Levels
  /** By level: where each table's keys lie; undefined for level 0 and empty levels. */
  readonly fences: readonly (LevelFence | undefined)[]
}

interface Epoch {
  readonly view: ReadView
  pins: number
  /** Run once this epoch and all before it are over. */
  readonly retire: (() => void)[]
}

export interface PinnedView {
  readonly view: ReadView
  /** Idempotent. */
  release(): void
}

export class ReadViews {
  /** Oldest first; the last one is current. */
  #epochs: Epoch[]

  constructor(first: ReadView) {
    this.#epochs = [{ view: first, pins: 0, retire: [] }]
  }

  get current(): ReadView {
    return this.#epochs[this.#epochs.length - 1]!.view
  }

  /** Every view some reader may still use, the current one included. */
  get live(): readonly ReadView[] {
    return this.#epochs.map(({ view }) => view)
  }

  /** Replaces the current view; `retire` runs when nobody can see the replaced ones any more. */
  install(view: ReadView, retire?: () => void): void {
    if (retire !== undefined) this.#epochs[this.#epochs.length - 1]!.retire.push(retire)
    this.#epochs.push({ view, pins: 0, retire: [] })
    this.#sweep()
  }

  /** Keeps everything the current view shows, across turns of the event loop. */
  pin(): PinnedView {
    const epoch = this.#epochs[this.#epochs.length - 1]!
    epoch.pins += 1
    let held = true
    return {
      view: epoch.view,
      release: () => {
        if (!held) return
        held = false
        epoch.pins -= 1
        assert(epoch.pins >= 0, 'a view is released once per pin')
        this.#sweep()
      },
    }
  }

  #sweep(): void {
    while (this.#epochs.length > 1 && this.#epochs[0]!.pins === 0) {
      for (const retire of this.#epochs.shift()!.retire) retire()
    }
  }
}
