// What one table of a record is made from: the samples of one section in one durability class, asked by engine and
// workload. Ratios are taken inside a run and only then their median, so that what both suffered in it cancels out.
import { lasting, rateBetween, slowestSecond } from '../data/fill-course.ts'
import { median, medianRatio, spread } from '../data/statistics.ts'
import type { DurabilityClass, EngineKind } from '../engines/engine.ts'
import { VOCABULARY } from '../workloads/vocabulary.ts'
import { YCSB_VOCABULARY } from '../workloads/ycsb/vocabulary.ts'
import type { EngineNote, RunRecord, Sample } from './record.ts'
import { type Bar, MEMORY_BUDGET, type Rival } from './targets.ts'

const KNOWN = [...VOCABULARY, ...YCSB_VOCABULARY]

export type Verdict = 'reached' | 'BELOW' | '–'

export class Readings {
  readonly durability: DurabilityClass
  readonly samples: readonly Sample[]
  readonly #record: RunRecord
  readonly #section: string

  constructor(record: RunRecord, section: string, durability: DurabilityClass) {
    this.#record = record
    this.#section = section
    this.durability = durability
    this.samples = record.samples.filter(
      (sample) => sample.section === section && sample.durability === durability,
    )
  }

  /** Engines with at least one sample, in the order of the record. */
  engines(...kinds: readonly EngineKind[]): readonly EngineNote[] {
    const measured = new Set(this.samples.map(({ engine }) => engine))
    return this.#record.engines.filter(
      ({ name, kind = 'peer' }) =>
        measured.has(name) && (kinds.length === 0 || kinds.includes(kind)),
    )
  }

  /** Measured ones in the order of the vocabulary, then those it does not know. */
  workloads(): readonly string[] {
    const measured = new Set(this.samples.map(({ workload }) => workload))
    const known = KNOWN.map(({ name }) => name)
    return [
      ...known.filter((name) => measured.has(name)),
      ...[...measured].filter((name) => !known.includes(name)),
    ]
  }

  of(engine: string, workload: string): readonly Sample[] {
    return this.samples.filter((one) => one.engine === engine && one.workload === workload)
  }

  rates(engine: string, workload: string): readonly number[] {
    return this.of(engine, workload).map(rateOf)
  }

  /** NaN where nothing was measured. */
  rate(engine: string, workload: string): number {
    return median(this.rates(engine, workload))
  }

  /** Half the spread over the runs as a share; undefined with fewer than two. */
  halfSpread(engine: string, workload: string): number | undefined {
    const rates = this.rates(engine, workload)
    return rates.length < 2 ? undefined : spread(rates) / 2
  }

  cut(engine: string, workload: string): boolean {
    return this.of(engine, workload).some(({ cut }) => cut === true)
  }

  /** Median over the runs of what `pick` finds; NaN where it finds nothing. */
  median(engine: string, workload: string, pick: (sample: Sample) => number | undefined): number {
    return median(this.of(engine, workload).flatMap((sample) => pick(sample) ?? []))
  }

  /** Median of the ratios inside each run in which both were measured; NaN where there is none. */
  ratio(ours: Point, theirs: Point, pick: (sample: Sample) => number | undefined = rateOf): number {
    const pairs = this.of(ours.engine, ours.workload).flatMap((our) =>
      this.of(theirs.engine, theirs.workload)
        .filter(({ run }) => run === our.run)
        .flatMap((their): [number, number][] => {
          const [own, other] = [pick(our), pick(their)]
          return own === undefined || other === undefined ? [] : [[own, other]]
        }),
    )
    return medianRatio(
      pairs.map(([our]) => our),
      pairs.map(([, their]) => their),
    )
  }

  /** The engine with the highest median among those a rival stands for; undefined: none was measured. */
  rival(rival: Rival, workload: string): string | undefined {
    const names = this.engines()
      .filter(({ name, kind = 'peer' }) => standsFor(rival, name, kind))
      .map(({ name }) => name)
      .filter((name) => !Number.isNaN(this.rate(name, workload)))
    return names.sort((a, b) => this.rate(b, workload) - this.rate(a, workload))[0]
  }

  /** ms by which the engine's event-loop delay p99 lies above that of the control. */
  aboveControl(engine: string, workload: string): number {
    return median(
      this.of(engine, workload).flatMap(({ loopDelay, run }) => {
        const control = this.controls().find((one) => one.run === run)?.loopDelay
        return loopDelay === undefined || control === undefined ? [] : loopDelay.p99 - control.p99
      }),
    )
  }

  controls(): readonly Sample[] {
    return this.#record.controls.filter(({ section }) => section === this.#section)
  }

  /** Whether all bars that can be judged are held. */
  verdict(bars: readonly Bar[], engine: string, workload: string): Verdict {
    const judged = bars.flatMap((bar) => this.#holds(bar, { engine, workload }) ?? [])
    if (judged.length === 0) return '–'
    return judged.every(Boolean) ? 'reached' : 'BELOW'
  }

  #holds(bar: Bar, ours: Point): boolean | undefined {
    const { engine, workload } = ours
    switch (bar.measure) {
      case 'rate': {
        const theirWorkload = bar.workload ?? workload
        const theirs = this.rival(bar.of, theirWorkload)
        if (theirs === undefined) return undefined
        const ratio = this.ratio(ours, { engine: theirs, workload: theirWorkload })
        return atLeast(ratio, bar.times)
      }
      case 'p99': {
        const theirs = this.rival('peer', workload)
        if (theirs === undefined) return undefined
        return atMost(this.p99(engine, workload), this.p99(theirs, workload))
      }
      case 'loop':
        return atMost(this.aboveControl(engine, workload), bar.aboveControl)
      case 'peak':
        return atMost(this.peak(engine, workload), bar.most)
      case 'memory':
        return atMost(this.memory(engine, workload), MEMORY_BUDGET + bar.beside)
      case 'space':
        return atMost(this.space(engine, workload), bar.most)
      case 'written':
        return atMost(this.written(engine, workload), bar.most)
      case 'second':
        return atLeast(this.median(engine, workload, slowestSecond), bar.least)
      case 'lasting':
        return atLeast(this.median(engine, workload, lasting), bar.least)
      case 'last tenth': {
        const theirs = this.rival(bar.of, workload)
        if (theirs === undefined) return undefined
        return atLeast(this.ratio(ours, { engine: theirs, workload }, lastTenth), bar.times)
      }
    }
  }

  /** µs. */
  p99(engine: string, workload: string): number {
    return this.median(engine, workload, ({ latency }) => latency?.p99)
  }

  /** MiB. */
  peak(engine: string, workload: string): number {
    return this.median(engine, workload, ({ peakMiB }) => peakMiB)
  }

  /** MiB by which the process grew beyond what the bench itself holds. */
  memory(engine: string, workload: string): number {
    return this.median(engine, workload, ({ peakMiB, figures }) => {
      const base = figures?.['baseMiB']
      return base === undefined ? undefined : peakMiB - base
    })
  }

  /** Bytes the engine says it wrote until the close over those of live keys and values. */
  written(engine: string, workload: string): number {
    return this.median(engine, workload, ({ figures }) => {
      const { engineBytes, logicalBytes } = figures ?? {}
      return engineBytes === undefined || !logicalBytes ? undefined : engineBytes / logicalBytes
    })
  }

  /** Bytes on disk after close over those of live keys and values. */
  space(engine: string, workload: string): number {
    return this.median(engine, workload, ({ figures }) => {
      const { diskBytes, logicalBytes } = figures ?? {}
      return diskBytes === undefined || !logicalBytes ? undefined : diskBytes / logicalBytes
    })
  }
}

interface Point {
  readonly engine: string
  readonly workload: string
}

/** Operations per second. */
export function rateOf({ operations, elapsedMs }: Sample): number {
  return (operations / elapsedMs) * 1000
}

/** Operations per second. */
export function lastTenth(sample: Sample): number | undefined {
  return rateBetween(sample, 0.9, 1)
}

function standsFor(rival: Rival, name: string, kind: EngineKind): boolean {
  const badger = name === 'badger' || name.startsWith('badger:')
  if (rival === 'peer') return kind === 'peer' && !badger
  return rival === 'best badger' ? badger : name === rival
}

function atLeast(value: number, bar: number): boolean | undefined {
  return Number.isNaN(value) ? undefined : value >= bar
}

function atMost(value: number, bar: number): boolean | undefined {
  return Number.isNaN(value) || Number.isNaN(bar) ? undefined : value <= bar
}
