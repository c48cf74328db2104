// `npm run bench:quick -- [--runs 3] [--keys 500000] [--only fillrandom,scan] [--json file] [--directory d]`
// Sett beside classic-level in one run: fresh process per store and repetition, interleaved, medians.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { describeMachine } from './lib/machine.ts'
import { runSession } from './lib/run-session.ts'
import type { SessionResult } from './lib/session.ts'
import { median, medianRatio, spread } from './lib/statistics.ts'
import { rate, table } from './lib/table.ts'
import { type Measurement, READS, WRITES } from './lib/workloads.ts'

const TARGETS: { readonly [workload: string]: number } = {
  fillrandom: 1.5,
  put256: 3,
  getSync: 1.5,
  get64: 3,
  scan: 1.5,
}
const TITLES: { readonly [workload: string]: string } = {
  fillrandom: 'fillrandom, batches of 1,000',
  put256: 'put, 256 in flight',
  getSync: 'getSync, random',
  get64: 'await get, 64 in flight',
  scan: 'full scan, nextv(1,000)',
}
const [OURS, THEIRS, ...BOUNDS] = ['sett', 'classic-level', 'map', 'null'] as const
const STORES = [OURS, THEIRS, ...BOUNDS]
const MEMTABLE_BYTES = 8 * 2 ** 20
const EMPTY_BYTES_MAX = 2 ** 20

const { values: flags } = parseArgs({
  options: {
    runs: { type: 'string', default: '3' },
    keys: { type: 'string', default: '500000' },
    only: { type: 'string', default: [...WRITES, ...READS, 'empty'].join() },
    json: { type: 'string' },
    directory: { type: 'string', default: tmpdir() },
  },
})
const runs = Number(flags.runs)
const keys = Number(flags.keys)
const only = new Set(flags.only.split(','))
for (const name of only) {
  if (name !== 'empty' && TARGETS[name] === undefined) throw new Error(`no workload ${name}`)
}

/** workload → store → one measurement per run. */
const results = new Map<string, Map<string, Measurement[]>>()
const peaks = new Map<string, number[]>()
const empties = new Map<string, NonNullable<SessionResult['emptyBytes']>>()
const controls: Measurement[] = []

function keep(store: string, { measurements }: SessionResult): void {
  for (const [workload, measurement] of Object.entries(measurements)) {
    const byStore = results.get(workload) ?? new Map<string, Measurement[]>()
    results.set(workload, byStore)
    byStore.set(store, [...(byStore.get(store) ?? []), measurement])
  }
}

async function runStore(root: string, store: string, run: number): Promise<void> {
  const place = { peer: store, keys, memtableBytes: MEMTABLE_BYTES }
  const reads = READS.filter((name) => only.has(name))
  const location = join(root, `${store}-${run}`)
  if (only.has('fillrandom') || reads.length > 0) {
    const result = await runSession({ kind: 'write', workload: 'fillrandom', location, ...place })
    keep(store, result)
    peaks.set(store, [...(peaks.get(store) ?? []), result.peakMiB])
  }
  if (reads.length > 0)
    keep(store, await runSession({ kind: 'read', workloads: reads, location, ...place }))
  rmSync(location, { recursive: true, force: true })
  if (only.has('put256')) {
    keep(store, await runSession({ kind: 'write', workload: 'put256', location, ...place }))
    rmSync(location, { recursive: true, force: true })
  }
}

/** The same machine, threads as busy as Sett's were, a main thread that does nothing. */
async function runControl(): Promise<void> {
  const fill = results.get('fillrandom')?.get(OURS)?.at(-1)
  if (fill === undefined) return
  const workers = availableParallelism()
  const busy = fill.busyMs ?? fill.elapsedMs * workers
  const duty = Math.min(1, busy / fill.elapsedMs / workers)
  const result = await runSession({ kind: 'control', workers, duty, ms: fill.elapsedMs })
  const { control } = result.measurements
  if (control !== undefined) controls.push(control)
}

function rates(workload: string, store: string): number[] {
  const measured = results.get(workload)?.get(store) ?? []
  return measured.map(({ operations, elapsedMs }) => (operations / elapsedMs) * 1000)
}

function cell(values: readonly number[]): string {
  if (values.length === 0) return '–'
  return `${rate(median(values))} ±${Math.round(spread(values) * 50)} %`
}

function speedTable(): string {
  const header = ['operations per second', OURS, THEIRS, 'ratio', 'target', '', 'map', 'null']
  const rows = [...WRITES, ...READS]
    .filter((name) => only.has(name))
    .map((name) => {
      const [ours, theirs] = [rates(name, OURS), rates(name, THEIRS)]
      const ratio = medianRatio(ours, theirs)
      const target = TARGETS[name]!
      return [
        TITLES[name]!,
        cell(ours),
        cell(theirs),
        `${ratio.toFixed(2)} ×`,
        `≥ ${target} ×`,
        ratio >= target ? 'reached' : 'BELOW',
        ...BOUNDS.map((store) => rate(median(rates(name, store)))),
      ]
    })
  return table([header, ...rows])
}

function delayTable(): string {
  const all: [string, readonly Measurement[]][] = [
    ...STORES.map((store): [string, Measurement[]] => [
      store,
      results.get('fillrandom')?.get(store) ?? [],
    ]),
    ['control: idle main, equally busy workers', controls],
  ]
  const rows = all
    .filter(([, runs]) => runs.length > 0)
    .map(([name, measured]) => {
      const of = (pick: 'p50' | 'p99' | 'max'): string =>
        `${median(measured.map(({ loopDelay }) => loopDelay![pick])).toFixed(2)} ms`
      return [name, of('p50'), of('p99'), of('max')]
    })
  return table([['event-loop delay in fillrandom', 'p50', 'p99', 'max'], ...rows])
}

function otherLines(): string[] {
  const lines: string[] = []
  for (const [store, { open, closed }] of empties) {
    const bytes = Math.max(open, closed)
    const kib = `${(open / 1024).toFixed(0)} KiB open, ${(closed / 1024).toFixed(0)} KiB closed`
    const judged = bytes < EMPTY_BYTES_MAX ? 'reached' : 'BELOW'
    lines.push(
      `empty database, ${store}: ${kib}${store === OURS ? ` (target < 1 MiB: ${judged})` : ''}`,
    )
  }
  for (const [store, mib] of peaks)
    lines.push(`peak memory in fillrandom, ${store}: ${median(mib)} MiB`)
  const settled = READS.flatMap((name) => results.get(name)?.get(OURS) ?? []).map((m) => m.settled!)
  if (settled.length > 0) {
    const share = Math.min(...settled.map(({ tableShare }) => tableShare ?? 0))
    lines.push(
      `reads began with ${(share * 100).toFixed(1)} % of ${OURS}'s entries in tables ` +
        `(${settled.at(-1)!.layout}) after flush and settle; ${THEIRS} after compactRange over all`,
    )
  }
  return lines
}

const root = mkdtempSync(join(flags.directory, 'sett-bench-'))
const started = performance.now()
try {
  console.log(describeMachine(root))
  console.log(
    `${keys} keys of 16 random bytes, values of 100 B (half compressible), ${runs} runs, close counted in ` +
      `the fills\n${OURS}: memtable 8 MiB, durability 'none' · ${THEIRS}: defaults, sync: false ` +
      '· neither waits for the disk\n',
  )
  for (let run = 0; run < runs; run++) {
    for (const store of STORES) await runStore(root, store, run)
    await runControl()
  }
  for (const store of only.has('empty') ? [OURS, THEIRS] : []) {
    const location = join(root, `empty-${store}`)
    const order = {
      kind: 'empty',
      peer: store,
      location,
      keys: 0,
      memtableBytes: MEMTABLE_BYTES,
    } as const
    empties.set(store, (await runSession(order)).emptyBytes!)
  }
  if (results.size > 0) console.log(speedTable())
  if (results.has('fillrandom')) console.log(`\n${delayTable()}`)
  console.log(`\n${otherLines().join('\n')}`)
  console.log(
    `± is half the spread over the runs; ratios are medians of the ratios inside each run`,
  )
  console.log(`took ${((performance.now() - started) / 1000).toFixed(0)} s`)
  const raw = {
    keys,
    runs,
    results: Object.fromEntries([...results].map(([w, m]) => [w, Object.fromEntries(m)])),
  }
  if (flags.json !== undefined)
    writeFileSync(flags.json, JSON.stringify({ ...raw, controls }, null, 2))
} finally {
  rmSync(root, { recursive: true, force: true })
}
