// What bench:presets, bench:scaling and bench:ycsb plan, and the tables they make.
import { availableParallelism } from 'node:os'
import { expect, test } from 'vitest'
import {
  documentsSection,
  presetSessions,
  presetsCommand,
} from '../../../../bench/commands/presets.ts'
import { scalingCommand } from '../../../../bench/commands/scaling.ts'
import {
  growthSections,
  withWorkers,
  workerSections,
} from '../../../../bench/commands/scaling-plan.ts'
import { ycsbCommand, ycsbSessions } from '../../../../bench/commands/ycsb.ts'
import { engineNamed } from '../../../../bench/engines/all-engines.ts'
import type { Engine } from '../../../../bench/engines/engine.ts'
import { formatPresets } from '../../../../bench/output/presets-table.ts'
import type { Sample } from '../../../../bench/output/record.ts'
import { formatGrowth, formatScaling } from '../../../../bench/output/scaling-tables.ts'
import { YCSB_MIXES } from '../../../../bench/workloads/ycsb/mixes.ts'
import { recordOf, samplesOf } from '../output/sample-record.ts'

const DATASET = { count: 10_000, keys: 'random', keyBytes: 16, valueBytes: 1024, seed: 1 } as const
const SETT = engineNamed('sett')

function lineOf(text: string, start: string): string {
  return text.split('\n').find((line) => line.startsWith(start)) ?? ''
}

test('presets write in batches of 10 and ack in their own way', () => {
  const sessions = presetSessions('sett:throughput', { dataset: DATASET, seconds: 3 }, '/x')
  expect(sessions.every(({ order }) => order.ownDurability === true)).toBe(true)
  const fills = sessions.flatMap(({ order }) => order.steps).filter((s) => s.batch !== undefined)
  expect(fills.map(({ workload, batch }) => [workload, batch])).toEqual([
    ['fillseq', 10],
    ['fillrandom', 10],
  ])
  expect(
    fills.map(({ seconds }) => seconds),
    'four times the reads',
  ).toEqual([12, 12])
  expect(sessions.at(-1)?.after).toBe('remove')
})

test('presets are read and compacted as a database of all keys, whatever the fills came to', () => {
  const sessions = presetSessions('sett:balanced', { dataset: DATASET, seconds: 3 }, '/x')
  const main = sessions.filter(({ order }) => order.location === '/x/main')
  expect(main.map(({ order }) => order.steps.map(({ workload }) => workload))).toEqual([
    ['prepare'],
    ['readrandom-sync', 'readseq'],
    ['compact'],
  ])
  expect(main[0]!.before).toBe('empty')
  const zstd = presetSessions('sett:throughput+zstd', { dataset: DATASET, seconds: 3 }, '/x')
  expect(zstd.map(({ order }) => order.steps[0]!.workload)).toEqual(['prepare', 'compact'])
})

test('of documents only the space is asked for, under every preset', () => {
  const { section, sessions } = documentsSection(200)
  expect(section.dataset).toMatchObject({ values: 'documents', valueBytes: 300 })
  for (const name of ['sett:balanced', 'sett:throughput+zstd']) {
    const steps = sessions(engineNamed(name), '/x').map(({ order }) => order.steps[0]!.workload)
    expect(steps).toEqual(['prepare', 'compact'])
  }
})

test('the presets table judges by the ratios inside each run', () => {
  const disk = (diskBytes: number): Partial<Sample> => ({
    figures: { logicalBytes: 1000, diskBytes },
  })
  const record = recordOf([
    // 2.6 ×, 2.4 ×, 2.6 ×, although the medians are 2.4 × apart.
    ...samplesOf('sett:balanced', 'fillseq', [100, 200, 300]),
    ...samplesOf('sett:throughput', 'fillseq', [260, 480, 780]),
    ...samplesOf('sett:balanced', 'fillrandom', [100, 100, 100]),
    ...samplesOf('sett:throughput', 'fillrandom', [240, 249, 255]),
    ...samplesOf('sett:balanced', 'compact', [1, 1, 1], disk(1000)),
    ...samplesOf('sett:throughput', 'compact', [1, 1, 1], disk(900)),
    ...samplesOf('sett:throughput+zstd', 'compact', [1, 1, 1], disk(800)),
    ...samplesOf('sett:lowMemory', 'fillseq', [50, 100, 150]),
    ...samplesOf('sett:balanced', 'compact', [1, 1, 1], { ...disk(500), section: 'documents' }),
    ...samplesOf('sett:throughput', 'compact', [1, 1, 1], { ...disk(400), section: 'documents' }),
    ...samplesOf('sett:throughput+zstd', 'compact', [1, 1, 1], {
      ...disk(250),
      section: 'documents',
    }),
  ])
  const text = formatPresets(record)
  expect(lineOf(text, 'Sequential Write')).toMatch(/200 +480 +2\.60 × .*2\.7 × +≥ 2\.5 × +reached/)
  expect(lineOf(text, 'Sequential Write')).toContain('100 (0.500 ×)')
  expect(lineOf(text, 'Random Write')).toMatch(/2\.49 × .* BELOW/)
  expect(lineOf(text, 'Disk Space')).toMatch(/1\.00 × data +0\.900 × data +1\.11 × .*reached/)
  expect(lineOf(text, 'Disk Space with zstd')).toMatch(/0\.800 × data +1\.25 × +≥ 1\.2 × +reached$/)
  expect(lineOf(text, 'Disk Space, doc')).toMatch(/0\.500 × data +0\.400 × data +1\.25 × .*reached/)
  expect(lineOf(text, 'Documents with zstd')).toMatch(/0\.250 × data +2\.00 × +≥ 1\.2 ×/)
  expect(lineOf(text, 'operation')).toMatch(/reach +lowMemory$/)
  expect(lineOf(text, 'Random Read')).toMatch(/– +– +– .* –/)
})

test('every number of workers compacts tables that nobody compacted before', () => {
  const sections = workerSections([1, 2], 1000, null)
  expect(sections.map(({ workers }) => workers)).toEqual([1, 1, 2, 2])
  const [fill, compact] = sections[2]!.sessions(SETT, '/x')
  expect(fill!.order).toMatchObject({ workers: null, settOptions: { l0CompactTrigger: 1000 } })
  expect(compact!.order).toMatchObject({ workers: 2, settOptions: { l0CompactTrigger: 1000 } })
  expect(compact!.order.location).toBe(fill!.order.location)
})

test('the scaling table compares with one worker, run by run', () => {
  const sections = workerSections([1, 2], 1000, null)
  const cell = (at: number, workload: string, elapsedMs: number): readonly Sample[] =>
    samplesOf('sett', workload, [1000], { section: sections[at]!.section.title, elapsedMs })
  const samples = [
    ...cell(0, 'compact', 300),
    ...cell(1, 'fillrandom', 500),
    ...cell(1, 'compact', 100),
    ...cell(2, 'compact', 200),
    ...cell(3, 'fillrandom', 250),
    ...cell(3, 'compact', 50),
  ]
  const given = sections.map(({ section }) => section)
  const record = withWorkers(recordOf(samples, { runs: 1, sections: given }), sections)
  expect(record.sections).toHaveLength(2)
  expect(record.samples.map(({ figures }) => figures?.['workers'])).toEqual([1, 1, 1, 2, 2, 2])
  const text = formatScaling(record)
  expect(lineOf(text, 'compact, 2 workers')).toMatch(/200 +1\.50 ×/)
  expect(lineOf(text, 'compact, 2 workers')).toMatch(/≥ 1\.5 × +reached$/)
  expect(text.match(/reached|BELOW/g), 'the prepared database only').toHaveLength(1)
  const slower = record.samples.map((sample) =>
    sample.elapsedMs === 200 ? { ...sample, elapsedMs: 201 } : sample,
  )
  expect(lineOf(formatScaling({ ...record, samples: slower }), 'compact, 2')).toMatch(/BELOW$/)
  expect(lineOf(text, 'fillrandom + compact, 2 workers')).toMatch(/300 +2\.00 ×/)
  expect(text).toContain('This machine has 2 cores')
})

test('growth: 10 M keys once, amplification over the data', () => {
  const sections = growthSections([1e7, 1e5], 3, null)
  expect(sections.map(({ runs }) => runs)).toEqual([3, 1])
  const [small] = sections.map(({ section }) => section)
  const place = { section: small!.title }
  const written = { logicalBytes: 100, engineBytes: 250, writtenBytes: 300, diskBytes: 120 }
  const record = recordOf(
    [
      ...samplesOf('sett', 'fillrandom', [5000], { ...place, figures: written }),
      ...samplesOf('sett', 'readrandom-sync', [1000], { ...place, figures: { readBytes: 1.16e6 } }),
    ],
    { sections: [small!] },
  )
  const line = lineOf(formatGrowth(record), '100,000 keys')
  expect(line).toMatch(/5\.0 k +2\.50 × +3\.00 × +1\.0 k +1,160 +– +1\.20 × .* 10\.0 ×/)
})

test('YCSB runs in one process, its load first, the mixes that insert last', () => {
  const plan = { mixes: YCSB_MIXES, records: 100, clients: 4, seconds: 2 }
  const order = { location: '/x', dataset: DATASET, durability: 'os' } as const
  const sessionsOf = (engine: Pick<Engine, 'name' | 'durability' | 'only'>) =>
    ycsbSessions(engine, plan, { ...order, memtableBytes: null, workers: null })
  const [session, ...more] = sessionsOf(SETT)
  expect(more).toEqual([])
  expect(session!.order.steps.map(({ workload }) => workload.slice('ycsb-'.length))).toEqual([
    'load',
    'a',
    'b',
    'c',
    'f',
    'd',
    'e',
  ])
  expect(session!.order.steps.every(({ lanes }) => lanes === 4)).toBe(true)
  expect(sessionsOf({ ...SETT, only: ['fillrandom'] })).toEqual([])
  expect(sessionsOf({ ...SETT, durability: { sync: 'on disk' } })).toEqual([])
})

test.each([
  [ycsbCommand, ['--only', 'A,G'], /no mix is called 'G'; known: A, B, C, F, D, E/],
  [ycsbCommand, ['--engines', 'oracle'], /no engine is called 'oracle'; known: sett,/],
  [presetsCommand, ['--presets', 'fast'], /no preset is called 'fast'; known: balanced/],
  [scalingCommand, ['--only', 'speed'], /no part is called 'speed'; known: workers, growth/],
  [scalingCommand, ['--workers', `${availableParallelism() + 1}`], /what it lacks cannot be/],
  [scalingCommand, ['--json', '/nowhere/at/all.json'], /there is no folder/],
] as const)('%o refuses %j before it measures', async (command, args, message) => {
  await expect(command(args)).rejects.toThrow(message)
})
