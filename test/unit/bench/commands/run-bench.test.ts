import { describe, expect, it } from 'vitest'
import { UsageError } from '../../../../bench/commands/errors.ts'
import { type BenchOptions, DEFAULT_ENGINES, planBench } from '../../../../bench/run-bench.ts'

function enginesOf(options: BenchOptions): string[] {
  return planBench(options).engines.map(({ name }) => name)
}

/** Per section: engine → measured workloads. */
function planned(options: BenchOptions) {
  const { engines, sections } = planBench(options)
  return sections.map(({ sessions }) =>
    Object.fromEntries(
      engines.flatMap((engine) => {
        const steps = sessions(engine, '').flatMap(({ order }) => order.steps)
        const names = steps.map(({ workload }) => workload).filter((name) => name !== 'prepare')
        return names.length === 0 ? [] : [[engine.name, names]]
      }),
    ),
  )
}

describe('what a bench measures', () => {
  it('is Sett and the Node peers, with the bounds that take part', () => {
    expect(DEFAULT_ENGINES).toEqual(expect.arrayContaining(['sett', 'classic-level', 'lmdb']))
    expect(DEFAULT_ENGINES.filter((name) => /badger|sett:|map|null|raw/.test(name))).toEqual([])
    expect(enginesOf({ engines: ['sett'], only: ['readseq'] })).toEqual(['sett', 'map', 'null'])
    expect(enginesOf({ engines: ['sett'], only: ['fillsync1'] })).toEqual(
      expect.arrayContaining(['raw-append', 'raw-overwrite']),
    )
    expect(enginesOf({ engines: ['sett'], bounds: false })).toEqual(['sett'])
    expect(enginesOf({ engines: ['map', 'sett'], bounds: false })).toEqual(['sett', 'map'])
  })

  it('is a section for each size of values and kind of keys, of about as many bytes', () => {
    const { sections, runs } = planBench({ values: [100, 1024, 16_384], keys: ['random', 'text'] })
    expect(runs).toBe(3)
    expect(sections.map(({ section }) => section.title)).toEqual([
      '100 B values, random keys',
      '100 B values, text keys',
      '1024 B values, random keys',
      '1024 B values, text keys',
      '16384 B values, random keys',
      '16384 B values, text keys',
    ])
    const datasets = sections.map(({ section }) => section.dataset)
    expect(datasets.map(({ count }) => count)).toEqual([
      1_000_000, 1_000_000, 204_800, 204_800, 12_800, 12_800,
    ])
    expect(datasets.slice(0, 2).map(({ keyBytes }) => keyBytes)).toEqual([16, 32])
  })

  it('is narrowed by group and by name, and small when quick', () => {
    const [sync] = planned({ engines: ['sett'], groups: ['sync'], bounds: false })
    expect(sync).toEqual({ sett: ['fillsync1', 'fillsync64'] })
    const options = { engines: ['sett'], groups: ['scan'], quick: true, bounds: false }
    expect(planned(options)[0]).toEqual({ sett: ['readseq', 'seekrandom10'] })
    const quick = planBench(options)
    expect([quick.runs, quick.sections[0]!.section.dataset.count]).toEqual([1, 100_000])
    const own = planBench({ ...options, runs: 2, count: 500 })
    expect([own.runs, own.sections[0]!.section.dataset.count]).toEqual([2, 500])
  })

  it('with `large`, adds two fills of 10 M keys at the defaults, once', () => {
    const options = { only: ['readseq'], large: true }
    const { sections } = planBench(options)
    const last = sections.at(-1)!
    expect([last.runs, last.section.dataset.count]).toEqual([1, 10_000_000])
    expect(planned(options).at(-1)).toEqual({
      sett: ['fillseq', 'fillrandom'],
      'classic-level': ['fillseq', 'fillrandom'],
      lmdb: ['fillseq', 'fillrandom'],
      badger: ['fillseq', 'fillrandom'],
    })
    const sett = planBench({}).engines[0]!
    const memtables = (at: number) =>
      sections
        .at(at)!
        .sessions(sett, '')
        .map(({ order }) => order.memtableBytes)
    expect(memtables(0)).toContain(8 * 2 ** 20)
    expect(memtables(-1)).toEqual([null, null])
    expect(planned({ ...options, engines: ['sett', 'lmdb'] }).at(-1)).not.toHaveProperty('badger')
  })

  it('is refused when unknown', () => {
    expect(() => planBench({ engines: ['sett', 'leveldb'] })).toThrow(UsageError)
    expect(() => planBench({ keys: ['long'] })).toThrow(/known: random, sequential, text/)
  })
})
