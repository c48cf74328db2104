import { describe, expect, it } from 'vitest'
import type { Sample } from '../../../../bench/output/record.ts'
import { formatSummary } from '../../../../bench/output/summary.ts'
import { figure, rate } from '../../../../bench/output/table.ts'
import { recordOf, samplesOf, TITLE } from './sample-record.ts'

const ENGINES = [
  'sett',
  'classic-level',
  'lmdb',
  'better-sqlite3',
  'rocksdb-native',
  'nxt-rocksdb',
  'map',
  'null',
]
const LATENCY = { count: 9, mean: 1, p50: 1.234, p90: 2, p99: 34.5, p999: 678, max: 900, curve: [] }

/** The columns of the `nth` line that begins with `start`. */
function columns(text: string, start: string, nth = 0): string[] {
  const found = text.split('\n').filter((one) => one.trimStart().startsWith(start))
  return found[nth]?.trim().split(/ {2,}/) ?? []
}

describe('a summary', () => {
  it('shows median, half spread, ratio to the best peer and verdicts, losses like wins', () => {
    const text = formatSummary(
      recordOf([
        ...samplesOf('sett', 'fillrandom', [90_000, 100_000, 110_000]),
        ...samplesOf('lmdb', 'fillrandom', [30_000, 25_000, 25_000]),
        ...samplesOf('classic-level', 'fillrandom', [20_000, 20_000, 20_000]),
        ...samplesOf('sett', 'readseq', [50_000, 50_000, 50_000]),
        ...samplesOf('lmdb', 'readseq', [100_000, 100_000, 100_000], { cut: true }),
        ...samplesOf('map', 'readseq', [2_500_000, 2_500_000, 2_500_000]),
      ]),
    )
    expect(columns(text, 'fillrandom')).toEqual([
      'fillrandom',
      '100 k ±10 %',
      'lmdb',
      '25 k',
      '4.00 ×',
      '2 ×',
      '3 ×',
      'STRETCH',
    ])
    expect(columns(text, 'readseq')).toEqual([
      'readseq',
      '50 k ±0 %',
      'lmdb',
      '100 k',
      '0.50 ×',
      '2.5 ×, 1 × Badger',
      '4 ×, 1.3 × Badger tuned',
      'BELOW',
    ])
    expect(columns(text, 'fillrandom', 1)).toEqual([
      'fillrandom',
      '100 k ±10 %',
      '25 k ±10 %',
      '20 k ±0 %',
      '–',
    ])
    expect(columns(text, 'readseq', 1)).toEqual([
      'readseq',
      '50 k ±0 %',
      '100 k† ±0 %',
      '–',
      '2.50 M ±0 %',
    ])
  })

  it('judges memory, space and the event loop in rows of their own', () => {
    const figures = { diskBytes: 90, logicalBytes: 100 }
    const text = formatSummary(
      recordOf(
        [
          ...samplesOf('sett', 'fillrandom', [1], {
            peakMiB: 350,
            loopDelay: { p50: 1.1, p99: 4.5, max: 9 },
          }),
          ...samplesOf('sett', 'compact', [1], { figures }),
        ],
        {
          controls: samplesOf('control', 'control', [1], {
            loopDelay: { p50: 1.1, p99: 1.5, max: 2 },
          }),
        },
      ),
    )
    expect(columns(text, 'peak memory')).toEqual([
      'peak memory',
      '350 MiB',
      '≤ 400 MiB',
      '≤ 300 MiB',
      'reached',
    ])
    expect(columns(text, 'event-loop delay p99')).toEqual([
      'event-loop delay p99',
      '4.50 ms',
      'above control',
      '3.00 ms',
      'control + 2 ms',
      'control + 1 ms',
      'BELOW',
    ])
    expect(columns(text, 'space / data')).toEqual([
      'space / data',
      '0.900',
      '≤ 0.85',
      '≤ 0.8',
      'BELOW',
    ])
    expect(text).toMatch(/control, .*: 1\.10\/1\.50\/2\.00/)
  })

  it('judges the course of ten million keys, beside classic-level of the same run', () => {
    const dataset = { count: 1e7, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 } as const
    /** Ten seconds and half a one, in windows of 100 ms, then 200 ms of close. */
    const filled = (windows: readonly number[], figures: object): Partial<Sample> => ({
      operations: windows.reduce((sum, done) => sum + done, 0),
      elapsedMs: windows.length * 100 + 200,
      windows: { ms: 100, operations: [...windows, 0, 0] },
      figures: { closeMs: 200, logicalBytes: 100, ...figures },
    })
    const even = Array.from({ length: 105 }, () => 100)
    const slowing = even.map((done, at) => (at < 52 ? done : done / 2))
    const text = (ours: readonly number[]): string =>
      formatSummary(
        recordOf(
          [
            ...samplesOf('sett', 'fillrandom', [1], {
              ...filled(ours, { engineBytes: 1_201, baseMiB: 100 }),
              peakMiB: 676,
            }),
            ...samplesOf('classic-level', 'fillrandom', [1], filled(slowing, {})),
          ],
          { sections: [{ title: TITLE, dataset }] },
        ),
      )
    const held = text(even)
    expect(columns(held, 'last half')).toEqual([
      'last half / second tenth',
      '1.00',
      '≥ 0.7',
      'reached',
    ])
    expect(columns(held, 'slowest second')).toEqual([
      'slowest second / mean',
      '1.00',
      '≥ 0.3',
      'reached',
    ])
    expect(columns(held, 'last tenth')).toEqual([
      'last tenth',
      '1.0 k',
      'classic-level',
      '500',
      '2.00 ×',
      '1.5 × classic-level',
      'reached',
    ])
    expect(columns(held, 'engine wrote')).toEqual(['engine wrote / data', '12.0', '≤ 12', 'BELOW'])
    expect(columns(held, 'memory over')).toEqual([
      'memory over the base',
      '576 MiB',
      '≤ 512 + 64 MiB',
      'reached',
    ])
    const halved = text(slowing)
    expect(columns(halved, 'last half')[3]).toBe('BELOW')
    expect(columns(halved, 'last tenth').at(-1)).toBe('BELOW')
  })

  it('keeps six engines and two bounds within 140 columns', () => {
    const samples = ENGINES.flatMap((engine) =>
      [
        'fillrandom',
        'put256',
        'readrandom-await64',
        'readwhilewriting',
        'readmissing-await64',
      ].flatMap((workload) =>
        samplesOf(engine, workload, [1_000_000, 1_234_567, 2_000_000], {
          latency: LATENCY,
          loopDelay: { p50: 1.06, p99: 23.4, max: 123.4 },
          cut: true,
        }),
      ),
    )
    const text = formatSummary(recordOf(samples))
    const longest = Math.max(...text.split('\n').map((line) => line.length))
    expect(longest).toBeLessThanOrEqual(140)
    for (const engine of ENGINES) expect(text).toContain(engine)
  })

  it('separates the durability classes', () => {
    const text = formatSummary(
      recordOf([
        ...samplesOf('sett', 'put1', [10]),
        ...samplesOf('sett', 'fillsync1', [10], { durability: 'sync' }),
      ]),
    )
    const [os = '', sync = ''] = text.split('acked when the log is on the disk')
    expect(os).toContain('put1')
    expect(os).not.toContain('fillsync1')
    expect(sync).toContain('fillsync1')
  })

  it('names what was left out, failed or is not offered', () => {
    const where = { run: 1, section: TITLE, durability: 'os' } as const
    const record = recordOf(samplesOf('sett', 'fillrandom', [5]), {
      gaps: [
        { ...where, engine: 'lmdb', workload: 'readseq', cause: 'wrong value', failed: true },
        {
          ...where,
          engine: 'lmdb',
          workload: 'readrandom-sync',
          cause: 'wrong value',
          failed: true,
        },
        { ...where, engine: 'null', workload: 'compact', cause: 'no compact', failed: false },
        {
          ...where,
          run: 2,
          engine: 'null',
          workload: 'compact',
          cause: 'no compact',
          failed: false,
        },
      ],
    })
    const gone = { name: 'rocksdb-native', version: '', durability: '', leftOut: 'not installed' }
    const text = formatSummary({ ...record, engines: [...record.engines, gone] })
    expect(text).toContain('rocksdb-native: left out: not installed')
    expect(text).toContain(`lmdb, readseq, readrandom-sync (${TITLE}, run 2): wrong value`)
    expect(text.match(/null, compact: no compact/g)).toHaveLength(1)
  })
})

describe('figures', () => {
  it('have three digits and a unit', () => {
    expect(
      [1_234_567, 999_600, 123_456, 12_345, 9_960, 1_234, 999.6, 99.96, 1.234, 0.1234].map(rate),
    ).toEqual([
      '1.23 M',
      '1.00 M',
      '123 k',
      '12 k',
      '10 k',
      '1.2 k',
      '1.0 k',
      '100',
      '1.23',
      '0.123',
    ])
    expect([0, 1234, 99.96, 9.999, 0.9999].map(figure)).toEqual([
      '0',
      '1,234',
      '100',
      '10.0',
      '1.00',
    ])
    expect(rate(Number.NaN)).toBe('–')
  })
})
