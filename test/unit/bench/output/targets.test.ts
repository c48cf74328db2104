import { describe, expect, it } from 'vitest'
import type { DatasetSpec } from '../../../../bench/data/dataset.ts'
import { Readings } from '../../../../bench/output/readings.ts'
import type { Sample } from '../../../../bench/output/record.ts'
import { describeBars, type Measure, TARGETS, targetOf } from '../../../../bench/output/targets.ts'
import { VOCABULARY } from '../../../../bench/workloads/vocabulary.ts'
import { YCSB_VOCABULARY } from '../../../../bench/workloads/ycsb/vocabulary.ts'
import { recordOf, samplesOf, TITLE } from './sample-record.ts'

const DATASET = { count: 1000, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 } as const

function reach(samples: readonly Sample[], workload: string, measure: 'rate' | 'loop' = 'rate') {
  const record = recordOf(samples)
  const controls = samplesOf('control', 'control', [0, 0, 0], {
    loopDelay: { p50: 1, p99: 2, max: 3 },
  })
  const [first] = samples
  const readings = new Readings({ ...record, controls }, TITLE, first?.durability ?? 'os')
  const target = targetOf({ engine: 'sett', workload, dataset: DATASET, measure })!
  return readings.verdict(target.reach, 'sett', workload)
}

describe('targets', () => {
  it('name workloads that exist, and each workload measure once', () => {
    const known = [...VOCABULARY, ...YCSB_VOCABULARY].map(({ name }) => name)
    const rows = TARGETS.map(
      ({ workload, engine, data, reach }) => `${workload} ${engine} ${data} ${reach[0]!.measure}`,
    )
    expect(TARGETS.filter(({ workload }) => !known.includes(workload))).toEqual([])
    expect(new Set(rows).size).toBe(rows.length)
  })

  it('are for the data of DESIGN §10 only', () => {
    const asked = {
      engine: 'sett',
      workload: 'fillrandom',
      measure: 'rate',
      dataset: DATASET,
    } as const
    expect(describeBars(targetOf(asked)!.reach)).toBe('2 ×')
    expect(targetOf({ ...asked, dataset: { ...DATASET, valueBytes: 512 } })).toBeUndefined()
    expect(targetOf({ ...asked, dataset: { ...DATASET, keys: 'text' } })).toBeUndefined()
    expect(targetOf({ ...asked, workload: 'readreverse' })).toBeUndefined()
  })

  it('of large values and of many keys are for those only', () => {
    const asked = { engine: 'sett', workload: 'fillrandom', dataset: DATASET } as const
    const reachOf = (dataset: Partial<DatasetSpec>, measure: Measure): string =>
      describeBars(
        targetOf({ ...asked, measure, dataset: { ...DATASET, ...dataset } })?.reach ?? [],
      )
    const many = { count: 10_000_000 }
    expect(reachOf(many, 'rate')).toBe('2 ×')
    expect(reachOf(many, 'lasting')).toBe('≥ 0.7')
    expect(reachOf(many, 'last tenth')).toBe('1.5 × classic-level')
    expect(reachOf(many, 'second')).toBe('≥ 0.3')
    expect(reachOf(many, 'written')).toBe('≤ 12')
    expect(reachOf(many, 'memory')).toBe('≤ 512 + 64 MiB')
    const preset = { ...asked, engine: 'sett:throughput', measure: 'memory' } as const
    expect(targetOf({ ...preset, dataset: { ...DATASET, ...many } })).toBeUndefined()
    for (const valueBytes of [1_024, 16_384]) {
      expect(reachOf({ valueBytes }, 'rate')).toBe('1.5 ×')
      expect(reachOf({ valueBytes }, 'written')).toBe('≤ 2')
      expect(reachOf({ valueBytes, ...many }, 'lasting')).toBe('')
    }
    for (const measure of ['written', 'lasting', 'second', 'last tenth', 'memory'] as const) {
      expect(reachOf({}, measure)).toBe('')
    }
  })

  it('of a preset win over those for all', () => {
    const asked = { workload: 'readrandom-sync', measure: 'rate', dataset: DATASET } as const
    expect(describeBars(targetOf({ ...asked, engine: 'sett:readHeavy' })!.reach)).toBe('1.6 ×')
    expect(describeBars(targetOf({ ...asked, engine: 'sett:throughput' })!.reach)).toBe('1.3 ×')
  })

  it('are judged against the fastest Node peer, run by run', () => {
    const peers = [
      ...samplesOf('lmdb', 'fillrandom', [90, 100, 300]),
      ...samplesOf('badger', 'fillrandom', [900, 900, 900]),
      ...samplesOf('map', 'fillrandom', [9000, 9000, 9000]),
    ]
    const ours = (...rates: number[]) => samplesOf('sett', 'fillrandom', rates)
    // In the runs 2.1, 2.0 and 0.9 times.
    expect(reach([...peers, ...ours(189, 200, 270)], 'fillrandom')).toBe('reached')
    expect(reach([...peers, ...ours(170, 199, 900)], 'fillrandom')).toBe('BELOW')
    expect(reach(ours(1, 1, 1), 'fillrandom')).toBe('–')
  })

  it("need every bar that can be judged: Badger's better options as well", () => {
    const ours = samplesOf('sett', 'put256', [300])
    const peer = samplesOf('lmdb', 'put256', [100])
    const badger = samplesOf('badger', 'put256', [100])
    expect(reach([...ours, ...peer], 'put256')).toBe('reached')
    expect(reach([...ours, ...peer, ...badger], 'put256')).toBe('reached')
    const tuned = samplesOf('badger:tuned', 'put256', [151])
    expect(reach([...ours, ...peer, ...badger, ...tuned], 'put256')).toBe('BELOW')
  })

  it('of 64 committers hold them to the raw loop of one', () => {
    const sync = { durability: 'sync' } as const
    const at = (rate: number) => [
      ...samplesOf('sett', 'fillsync64', [rate], sync),
      ...samplesOf('lmdb', 'fillsync64', [10], sync),
      ...samplesOf('raw-append', 'fillsync1', [10], sync),
      ...samplesOf('raw-append', 'fillsync64', [99_999], sync),
    ]
    expect(reach(at(384), 'fillsync64')).toBe('reached')
    expect(reach(at(383), 'fillsync64')).toBe('BELOW')
  })

  it('of a latency compare percentiles', () => {
    const latency = (p99: number) => ({
      latency: { count: 1, mean: 1, p50: 1, p90: 1, p99, p999: p99, max: p99, curve: [] },
    })
    const at = (ours: number) => [
      ...samplesOf('sett', 'readwhilewriting', [100], latency(ours)),
      ...samplesOf('lmdb', 'readwhilewriting', [100], latency(40)),
    ]
    expect(reach(at(40), 'readwhilewriting')).toBe('reached')
    expect(reach(at(41), 'readwhilewriting')).toBe('BELOW')
  })

  it('of the event loop compare with the control of the same run', () => {
    const at = (p99: number) =>
      samplesOf('sett', 'fillrandom', [1, 1, 1], { loopDelay: { p50: 1, p99, max: 9 } })
    expect(reach(at(4), 'fillrandom', 'loop')).toBe('reached')
    expect(reach(at(4.1), 'fillrandom', 'loop')).toBe('BELOW')
  })
})
