// A record as a run would have made it: every figure invented, always the same ones for the same wishes.
import type { LatencySummary } from '../../../../bench/data/histogram.ts'
import { words } from '../../../../bench/data/random.ts'
import {
  type EngineNote,
  RECORD_VERSION,
  type RecordKind,
  type RunRecord,
  type Sample,
  type Section,
} from '../../../../bench/output/record.ts'
import { VOCABULARY } from '../../../../bench/workloads/vocabulary.ts'
import type { WorkloadInfo } from '../../../../bench/workloads/workload-info.ts'

const ENGINES: readonly EngineNote[] = [
  {
    name: 'sett',
    kind: 'ours',
    version: '0.1.0',
    durability: "os: durability 'none'; sync: 'sync'",
  },
  {
    name: 'classic-level',
    kind: 'peer',
    version: '3.0.0 (LevelDB 1.20)',
    durability: 'os: sync: false',
  },
  {
    name: 'lmdb',
    kind: 'peer',
    version: '3.5.6 (LMDB 0.9.90)',
    durability: 'os: noSync; sync: one sync for all',
  },
  {
    name: 'better-sqlite3',
    kind: 'peer',
    version: '12.11.1 (SQLite 3.53.2)',
    durability: 'os: WAL, synchronous off',
  },
  {
    name: 'rocksdb-native',
    kind: 'peer',
    version: '3.17.2',
    durability: '',
    leftOut: 'needs libatomic',
  },
  { name: 'map', kind: 'bound', version: 'v20.20.2', durability: 'none: in memory' },
]
/** Operations per second of each engine, as a factor of a workload's own speed. */
const SPEEDS: { readonly [engine: string]: number } = {
  sett: 1.2,
  'classic-level': 0.9,
  lmdb: 1,
  'better-sqlite3': 0.3,
  map: 4,
}
const GROUP_SPEED = { write: 300e3, sync: 9e3, read: 350e3, scan: 1.2e6, space: 4e5, ycsb: 1e5 }

export interface Wishes {
  readonly kind?: RecordKind
  readonly runs?: number
  readonly engines?: readonly EngineNote[]
  readonly sections?: readonly Section[]
  readonly workloads?: readonly WorkloadInfo[]
}

export function section(title: string, count = 1_000_000): Section {
  return { title, dataset: { count, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 } }
}

export function syntheticRecord(wishes: Wishes = {}): RunRecord {
  const { kind = 'db', runs = 3, engines = ENGINES, workloads = VOCABULARY } = wishes
  const sections = wishes.sections ?? [section('100 B values, random keys')]
  const next = words(7)
  const noise = (): number => 0.85 + (next() / 2 ** 32) * 0.3
  const samples = sections.flatMap((each) =>
    Array.from({ length: runs }, (_, run) =>
      engines
        .filter(({ leftOut }) => leftOut === undefined)
        .flatMap((engine) =>
          workloads
            .filter(({ group }) => engine.kind !== 'bound' || group === 'read' || group === 'scan')
            .map((info) => sample({ engine, info, run, section: each }, noise)),
        ),
    ).flat(),
  )
  const control = samples.find(
    ({ engine, workload }) => engine === 'sett' && workload === 'fillrandom',
  )
  return {
    recordVersion: RECORD_VERSION,
    kind,
    date: '2026-11-21T16:00:00.000Z',
    commit: 'abc1234',
    settVersion: '0.1.0',
    command: 'npm run bench -- --runs 3',
    machine: {
      processor: 'Example 7B13',
      cores: 2,
      memoryGiB: 24,
      platform: 'linux x64',
      node: 'v20.20.2',
      fileSystem: 'ext4',
      load: [0.2, 1.9],
    },
    runs,
    tookSeconds: 2_400,
    engines,
    sections,
    samples,
    controls:
      control === undefined
        ? []
        : [{ ...control, engine: 'control', loopDelay: { p50: 1.1, p99: 3.2, max: 9 } }],
    gaps: [
      {
        engine: 'better-sqlite3',
        run: 0,
        section: sections[0]!.title,
        durability: 'os',
        workload: 'deleterange',
        cause: 'has no call for it',
        failed: false,
      },
    ],
  }
}

interface Place {
  readonly engine: EngineNote
  readonly info: WorkloadInfo
  readonly run: number
  readonly section: Section
}

function sample({ engine, info, run, section }: Place, noise: () => number): Sample {
  const { count, keyBytes, valueBytes } = section.dataset
  const letters = Buffer.from(info.name + engine.name).reduce((sum, byte) => sum * 31 + byte, 0)
  const personal = 0.5 + (letters % 101) / 80
  const speed = GROUP_SPEED[info.group] * (SPEEDS[engine.name] ?? 1) * personal * noise()
  const reopens = info.name.startsWith('reopen')
  const operations = reopens ? 1 : Math.min(info.operations?.(count) ?? count, Math.ceil(speed * 3))
  const elapsedMs = reopens ? 12 * noise() : (operations / speed) * 1000
  const logicalBytes = count * (keyBytes + valueBytes)
  return {
    workload: info.name,
    operations,
    elapsedMs,
    cpuMs: elapsedMs * 1.4,
    ...(info.group === 'read' || info.group === 'sync' || info.name.startsWith('put')
      ? { latency: latency(1e6 / speed, noise) }
      : {}),
    ...(info.group === 'write' || info.group === 'read'
      ? { loopDelay: { p50: 1.1, p99: 2 + 4 * noise(), max: 30 * noise() } }
      : {}),
    ...(info.closes ? { windows: windows(speed, elapsedMs, noise) } : {}),
    ...(engine.name === 'sett' && (info.name === 'fillrandom' || info.name === 'compact')
      ? { levels: levels(info.name === 'compact') }
      : {}),
    figures: {
      diskBytes: Math.round(logicalBytes * noise()),
      logicalBytes,
      writtenBytes: Math.round(logicalBytes * 3 * noise()),
      ...(info.closes ? { closeMs: 120 * noise() } : {}),
      ...(info.name === 'reopen-kill' ? { lost: 0 } : {}),
    },
    engine: engine.name,
    run,
    section: section.title,
    durability: info.group === 'sync' ? 'sync' : 'os',
    peakMiB: 150 * noise(),
    sessionCpuSeconds: elapsedMs / 900,
  }
}

function latency(mean: number, noise: () => number): LatencySummary {
  const quantiles = Array.from({ length: 40 }, (_, at) => 1 - 10 ** (-at / 7.8))
  const at = (quantile: number): number => mean * 0.8 * (1 - quantile + 1e-6) ** -0.45
  const curve = quantiles.map((quantile): readonly [number, number] => [
    quantile,
    at(quantile) * noise() ** 0.1,
  ])
  const [p50, p90, p99, p999] = [at(0.5), at(0.9), at(0.99), at(0.999)]
  return { count: 500_000, mean, p50, p90, p99, p999, max: at(1), curve: [...curve, [1, at(1)]] }
}

/** Steady but for two stalls, and a close at the end that does nothing. */
function windows(
  speed: number,
  elapsedMs: number,
  noise: () => number,
): { ms: number; operations: readonly number[] } {
  const ms = 50
  const count = Math.floor(elapsedMs / ms)
  const operations = Array.from({ length: count }, (_, at) => {
    if (at >= count - 3) return 0
    const stalled = at % 23 === 11 || at % 23 === 12
    return Math.round(((speed * ms) / 1000) * noise() * (stalled ? 0.1 : 1))
  })
  return { ms, operations }
}

function levels(compacted: boolean) {
  const sizes = compacted ? [0, 0, 0, 96e6] : [14e6, 28e6, 61e6]
  return sizes.map((bytes, level) => ({
    level,
    tables: Math.ceil(bytes / 4e6),
    bytes,
    entries: Math.round(bytes / 98),
  }))
}
