// A record with chosen figures, for tests of what is made from one.
import type { RunRecord, Sample } from '../../../../bench/output/record.ts'

export const TITLE = '100 B values, random keys'

/** `rates` per run. */
export function samplesOf(
  engine: string,
  workload: string,
  rates: readonly number[],
  rest: Partial<Sample> = {},
): readonly Sample[] {
  return rates.map((rate, run) => ({
    engine,
    workload,
    run,
    section: TITLE,
    durability: 'os',
    operations: rate,
    elapsedMs: 1000,
    cpuMs: 500,
    peakMiB: 200,
    sessionCpuSeconds: 2,
    ...rest,
  }))
}

export function recordOf(samples: readonly Sample[], rest: Partial<RunRecord> = {}): RunRecord {
  const names = [...new Set(samples.map(({ engine }) => engine))]
  const bounds = ['map', 'null', 'raw-append', 'raw-overwrite']
  return {
    recordVersion: 1,
    kind: 'db',
    date: '2026-01-02T03:04:05.678Z',
    commit: 'abc1234+',
    settVersion: '0.1.0',
    command: 'bench --runs 3',
    machine: {
      processor: 'Test Processor',
      cores: 2,
      memoryGiB: 8,
      platform: 'linux x64',
      node: 'v20.19.0',
      fileSystem: 'ext4',
      load: [0.5, 1.5],
    },
    runs: 3,
    tookSeconds: 61,
    engines: names.map((name) => ({
      name,
      kind: name.startsWith('sett') ? 'ours' : bounds.includes(name) ? 'bound' : 'peer',
      version: '1.0.0',
      durability: 'kernel',
    })),
    sections: [
      {
        title: TITLE,
        dataset: { count: 1000, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 },
      },
    ],
    samples,
    controls: [],
    ...rest,
  }
}
