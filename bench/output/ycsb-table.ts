// Latencies of a YCSB record by kind of operation: what a mix's slow part takes, such as its updates, is lost in those
// of the whole.
import { YCSB_OPERATIONS } from '../workloads/ycsb/mixes.ts'
import { Readings } from './readings.ts'
import type { RunRecord } from './record.ts'
import { figure, table } from './table.ts'

/** Empty when nothing was measured. */
export function formatYcsbLatencies(record: RunRecord): string {
  const parts = record.sections.map(({ title }) => {
    const readings = new Readings(record, title, 'os')
    const engines = readings.engines().map(({ name }) => name)
    const rows = readings.workloads().flatMap((workload) =>
      YCSB_OPERATIONS.map((operation) => {
        const median = (engine: string, name: string): number =>
          readings.median(engine, workload, ({ figures }) => figures?.[`${operation}${name}`])
        const cells = engines.map((engine) =>
          Number.isNaN(median(engine, 'P50'))
            ? ''
            : `${figure(median(engine, 'P50'))} / ${figure(median(engine, 'P99'))}`,
        )
        return [`${workload}, ${operation}`, ...cells]
      }).filter((row) => row.slice(1).some((cell) => cell !== '')),
    )
    if (rows.length === 0) return ''
    return `== ${title}: latency by operation ==\n${table([['µs: p50 / p99', ...engines], ...rows])}`
  })
  return parts.filter((part) => part !== '').join('\n\n')
}
