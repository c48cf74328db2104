// Sett beside BadgerDB as text: the ratio to the better of Badger's sets of options in the same run, and what an
// operation costs each of them.
import { median } from '../data/statistics.ts'
import type { DurabilityClass } from '../engines/engine.ts'
import { Readings, rateOf } from './readings.ts'
import type { RunRecord } from './record.ts'
import { figure, rate, table } from './table.ts'

const OURS = 'sett'
const BADGERS = ['badger', 'badger:tuned']
const ENGINES = [OURS, ...BADGERS]
const CLASSES: readonly DurabilityClass[] = ['os', 'sync']

/** One table for each section; rows that lack Sett, or Badger, are left out. */
export function formatBadgerTable(record: RunRecord): string {
  const tables = record.sections.flatMap(({ title }) => {
    const rows = CLASSES.flatMap((durability) => {
      const readings = new Readings(record, title, durability)
      return readings.workloads().flatMap((workload) => row(readings, workload))
    })
    if (rows.length === 0) return []
    const head = ['ops/s', ...ENGINES, 'ratio', ...ENGINES.map((name) => `CPU µs ${name}`)]
    return [`== Sett / better Badger · ${title} ==\n${table([head, ...rows])}`]
  })
  return [...tables, FOOTNOTE].join('\n\n')
}

const FOOTNOTE = [
  'badger: DefaultOptions, values below 1 MiB in the tree. badger:tuned: no compression, no block cache, no metrics,',
  'memtables of 128 MiB, values of 1 KiB and more in the value log (as Sett), no detection of conflicts, seeks that',
  'read no values ahead.',
  'ratio: median of the ratios inside each run to the better of both. Reads: a transaction (View) for each call, one',
  'goroutine in the rows of one call at a time, 64 goroutines for 64 in flight: they use all cores where JavaScript',
  'has one thread. deleterange: Badger reads the keys of the range and deletes each. CPU: all threads of the process.',
].join('\n')

function row(readings: Readings, workload: string): string[][] {
  const ratio = ratioToBetter(readings, workload)
  if (Number.isNaN(ratio)) return []
  const rates = ENGINES.map((engine) => rate(readings.rate(engine, workload)))
  const costs = ENGINES.map((engine) =>
    figure(
      readings.median(engine, workload, ({ cpuMs, operations }) => (cpuMs * 1_000) / operations),
    ),
  )
  return [[workload, ...rates, `${figure(ratio)} ×`, ...costs]]
}

/** NaN where no run measured both. */
function ratioToBetter(readings: Readings, workload: string): number {
  const theirs = BADGERS.flatMap((engine) => readings.of(engine, workload))
  const ratios = readings.of(OURS, workload).flatMap((ours) => {
    const rates = theirs.filter(({ run }) => run === ours.run).map(rateOf)
    return rates.length === 0 ? [] : [rateOf(ours) / Math.max(...rates)]
  })
  return median(ratios)
}
