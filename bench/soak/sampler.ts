// One point a second of what a database under load does: rate, waiting, debt, files, memory, the event loop.
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { type IntervalHistogram, monitorEventLoopDelay } from 'node:perf_hooks'
import type { DatabaseStats } from 'sett'
import type { FileBytes, SoakPhase, SoakPoint } from './protocol.ts'

const SECOND_MS = 1_000

export interface SamplerParts {
  readonly location: string
  readonly stats: () => DatabaseStats
  /** Until now. */
  readonly operations: () => number
  readonly liveBytes: () => number
  readonly onPoint: (point: SoakPoint) => void
}

interface Before {
  readonly at: number
  readonly operations: number
  readonly waitedMs: number
  readonly cpu: NodeJS.CpuUsage
}

export class Sampler {
  readonly points: SoakPoint[] = []
  readonly #parts: SamplerParts
  readonly #loop: IntervalHistogram
  readonly #timer: NodeJS.Timeout
  readonly #began = performance.now()
  #phase: SoakPhase = 'fill'
  #before: Before

  constructor(parts: SamplerParts) {
    this.#parts = parts
    this.#before = this.#now()
    this.#loop = monitorEventLoopDelay({ resolution: 1 })
    this.#loop.enable()
    this.#timer = setInterval(() => this.#take(), SECOND_MS)
  }

  /** The point before it ends here, however short it is, so that none belongs to two phases. */
  begin(phase: SoakPhase): void {
    this.#take()
    this.#phase = phase
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#take()
    this.#loop.disable()
  }

  #now(): Before {
    const { delayMs, stallMs } = this.#parts.stats()
    return {
      at: performance.now(),
      operations: this.#parts.operations(),
      waitedMs: delayMs + stallMs,
      cpu: process.cpuUsage(),
    }
  }

  #take(): void {
    const [before, now, stats] = [this.#before, this.#now(), this.#parts.stats()]
    this.#before = now
    const { user, system } = process.cpuUsage(before.cpu)
    const point: SoakPoint = {
      phase: this.#phase,
      seconds: (now.at - this.#began) / SECOND_MS,
      ms: now.at - before.at,
      operations: now.operations - before.operations,
      waitedMs: now.waitedMs - before.waitedMs,
      loopMs: this.#loop.max / 1e6,
      cpuMs: (user + system) / 1e3,
      debtBytes: stats.debtBytes,
      level0: stats.levels[0]?.tables ?? 0,
      rssBytes: process.memoryUsage.rss(),
      liveBytes: this.#parts.liveBytes(),
      files: fileBytes(this.#parts.location),
    }
    this.#loop.reset()
    this.points.push(point)
    this.#parts.onPoint(point)
  }
}

const PARTS: { readonly [end: string]: Exclude<keyof FileBytes, 'all'> } = {
  sst: 'tables',
  vlog: 'segments',
  wal: 'logs',
}

/** As the file system has them, those that are being made or removed included. */
export function fileBytes(location: string): FileBytes {
  const bytes = { all: 0, tables: 0, segments: 0, logs: 0 }
  for (const name of readdirSync(location)) {
    const found = statSync(join(location, name), { throwIfNoEntry: false })
    if (found === undefined || !found.isFile()) continue
    const size = Math.max(found.blocks * 512, found.size)
    bytes.all += size
    const part = PARTS[name.slice(name.lastIndexOf('.') + 1)]
    if (part !== undefined) bytes[part] += size
  }
  return bytes
}
