// A simulated tree under a steady load, to see how the back-pressure controls it: writers, memtables, one flush at a
// time, one compaction of level 0 at a time. Drives the real WritePressure with a clock of its own.
import type { Clock } from '../../../../src/base/clock.ts'
import { StallWatch } from '../../../../src/engine/pressure/stall-watch.ts'
import { WritePressure } from '../../../../src/engine/pressure/write-pressure.ts'
import type { Levels, TableMeta } from '../../../../src/manifest/levels.ts'
import type { Prng } from '../../../model/prng.ts'

export interface PlantOptions {
  readonly memtableSize: number
  readonly memtableCount: number
  readonly l0CompactTrigger: number
  readonly l0StallTrigger: number
  /** Bytes per ms, if nothing held the writers back. */
  readonly load: (now: number) => number
  readonly flush: number
  /** Bytes per ms that a merge reads, from level 0 and from the level below. */
  readonly merge: number
  /** Of the level that level 0 is merged into, so much takes part each time. */
  readonly baseBytes: number
  /** False: only the wall stops the writers. */
  readonly paced?: boolean
  /** Jobs take up to so much longer than they should, as the seed says. */
  readonly jitter?: { readonly share: number; readonly random: Prng }
}

const GROUP = 256 * 1024
const STEP_MS = 4

interface Job {
  endsAt: number
  readonly tables: number
}

export class Plant {
  now = 0
  /** Bytes that went out, by second. */
  readonly perSecond: number[] = []
  written = 0
  stoppedMs = 0
  readonly pressure: WritePressure
  readonly watch: StallWatch
  readonly #options: PlantOptions
  #frozen = 0
  #active = 0
  #level0 = 0
  #levels: Levels = [[], [], []]
  #flush: Job | undefined
  #merge: Job | undefined
  #heldUntil = 0
  #wanted = 0

  constructor(options: PlantOptions) {
    this.#options = options
    const clock: Clock = {
      wallMs: () => this.now,
      monotonicMs: () => this.now,
      after: () => {
        throw new Error('the controller has no timers')
      },
      nextTurn: () => undefined,
    }
    this.watch = new StallWatch({ clock, notify: () => undefined })
    this.pressure = new WritePressure({
      clock,
      options: { ...options, tableSize: options.memtableSize, levelSizeMultiplier: 10 },
      memory: () => ({ frozen: this.#frozen, active: this.#active / options.memtableSize }),
      levels: () => this.#levels,
      watch: this.watch,
    })
  }

  run(ms: number): void {
    for (const end = this.now + ms; this.now < end; this.now += STEP_MS) {
      this.#background()
      this.#writers()
    }
  }

  #background(): void {
    const { memtableSize, flush, merge, baseBytes, l0CompactTrigger } = this.#options
    if (this.#flush !== undefined && this.now >= this.#flush.endsAt) {
      this.#flush = undefined
      this.#frozen -= 1
      this.#setLevel0(this.#level0 + 1)
      this.pressure.flushed(memtableSize)
      this.pressure.changed()
    }
    if (this.#merge !== undefined && this.now >= this.#merge.endsAt) {
      this.#setLevel0(this.#level0 - this.#merge.tables)
      this.#merge = undefined
      this.pressure.changed()
    }
    if (this.#flush === undefined && this.#frozen > 0) {
      this.#flush = this.#job(memtableSize / flush, 1)
    }
    if (this.#merge === undefined && this.#level0 >= l0CompactTrigger) {
      const bytes = this.#level0 * memtableSize + baseBytes
      this.#merge = this.#job(bytes / merge, this.#level0)
    }
  }

  #job(ms: number, tables: number): Job {
    const { jitter } = this.#options
    const longer = jitter === undefined ? 0 : (jitter.random.u32() / 2 ** 32) * jitter.share
    return { endsAt: this.now + ms * (1 + longer), tables }
  }

  #setLevel0(tables: number): void {
    this.#level0 = tables
    const { memtableSize } = this.#options
    const table = { size: memtableSize } as TableMeta
    this.#levels = [Array.from({ length: tables }, () => table), [], []]
  }

  /** Groups of what writers want to write, as the write queue sends them. */
  #writers(): void {
    this.#wanted = Math.min(this.#wanted + this.#options.load(this.now) * STEP_MS, 16 * GROUP)
    while (this.#wanted >= GROUP && this.now >= this.#heldUntil) {
      if (!this.#hasRoom()) {
        this.stoppedMs += STEP_MS
        return
      }
      const wait = this.#options.paced === false ? 0 : this.pressure.waitMs()
      if (wait > 0) {
        this.#heldUntil = this.now + wait
        return
      }
      this.pressure.sent(GROUP)
      this.#wanted -= GROUP
      this.#active += GROUP
      this.written += GROUP
      const second = Math.floor(this.now / 1000)
      this.perSecond[second] = (this.perSecond[second] ?? 0) + GROUP
    }
  }

  #hasRoom(): boolean {
    const { memtableSize, memtableCount, l0StallTrigger } = this.#options
    if (this.#active + GROUP <= memtableSize) return true
    if (this.#frozen + 1 >= memtableCount || this.#level0 >= l0StallTrigger) return false
    this.#frozen += 1
    this.#active = 0
    this.pressure.changed()
    return true
  }
}
