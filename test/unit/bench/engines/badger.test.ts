// What the Node side knows of the driver in Go, and what it says where that cannot be built.
import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { planBadger } from '../../../../bench/commands/badger.ts'
import { formatBadgerTable } from '../../../../bench/output/badger-table.ts'
import type { RunRecord, Sample } from '../../../../bench/output/record.ts'
import { badgerEngines } from '../../../../bench/peers/badger/engine.ts'
import { VOCABULARY } from '../../../../bench/workloads/vocabulary.ts'

const DRIVER = new URL('../../../../bench/peers/badger/vocabulary.go', import.meta.url)

describe('the engines', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
  })

  it('offer the workloads that the driver has, all of the vocabulary', () => {
    const code = readFileSync(DRIVER, 'utf8')
    const inDriver = [...code.matchAll(/^\t"([\w-]+)":/gm)].map(([, name]) => name)
    const known = VOCABULARY.map(({ name }) => name)
    expect(inDriver.sort()).toEqual([...known].sort())
    for (const { only } of badgerEngines) expect(only).toEqual(known)
  })

  it('say what is missing where there is no go', async () => {
    vi.stubEnv('PATH', '')
    const [engine] = badgerEngines
    await expect(engine!.program()).rejects.toThrow(/no `go` is on the PATH; install Go .*go\.dev/)
  })
})

describe('bench:badger', () => {
  const engines = ['sett', 'badger', 'badger:tuned']
  const plan = (more: object = {}) => planBadger({ engines, bounds: false, count: 1_000, ...more })

  it('measures the vocabulary, then six rows of 32 B keys and 128 B values', () => {
    const { kind, sections } = plan()
    expect(kind).toBe('badger')
    expect(sections.map(({ section }) => section.dataset)).toMatchObject([
      { keyBytes: 16, valueBytes: 100, count: 1_000 },
      { keyBytes: 32, valueBytes: 128, count: 1_000 },
    ])
    const planned = sections[1]!.sessions(badgerEngines[1]!, 'root')
    for (const { order } of planned) {
      expect(order).toMatchObject({ engine: 'badger:tuned', dataset: sections[1]!.section.dataset })
    }
    const rows = planned.flatMap(({ order }) => order.steps.map(({ workload }) => workload))
    expect(rows.sort()).toEqual([
      'fillrandom',
      'fillseq',
      'readrandom-await64',
      'readrandom-sync',
      'readseq',
      'readseq-keys',
    ])
  })

  it('leaves the shapes out where none of their rows is asked for', () => {
    expect(plan({ groups: ['sync'] }).sections).toHaveLength(1)
    expect(plan({ only: ['put1'] }).sections).toHaveLength(1)
    expect(plan({ groups: ['scan'] }).sections).toHaveLength(2)
  })
})

describe('the table', () => {
  const sample = (engine: string, run: number, elapsedMs: number): Sample => ({
    workload: 'put1',
    operations: 1_000,
    elapsedMs,
    cpuMs: 2,
    engine,
    run,
    section: 'one',
    durability: 'os',
    peakMiB: 1,
    sessionCpuSeconds: 1,
  })
  const dataset = { count: 1, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 } as const
  const recordOf = (samples: readonly Sample[]): RunRecord => ({
    recordVersion: 1,
    kind: 'badger',
    date: '2026-01-01T00:00:00.000Z',
    commit: '',
    settVersion: '0',
    command: '',
    machine: {
      processor: '',
      cores: 1,
      memoryGiB: 1,
      platform: '',
      node: '',
      fileSystem: '',
      load: [0, 0],
    },
    runs: 2,
    tookSeconds: 1,
    engines: engineNotes(),
    sections: [{ title: 'one', dataset }],
    samples,
    controls: [],
  })
  const engineNotes = () =>
    ['sett', 'badger', 'badger:tuned'].map((name) => ({ name, version: '', durability: '' }))

  it('has the median of the ratios to the better Badger of each run', () => {
    const text = formatBadgerTable(
      recordOf([
        ...[sample('sett', 0, 10), sample('badger', 0, 20), sample('badger:tuned', 0, 40)],
        ...[sample('sett', 1, 10), sample('badger', 1, 80), sample('badger:tuned', 1, 40)],
      ]),
    )
    const [row] = text.split('\n').filter((line) => line.startsWith('put1'))
    // 20 / 10 in the first run, 40 / 10 in the second.
    expect(row).toMatch(/ 3\.00 × /)
  })

  it('leaves out what was measured of one side alone', () => {
    expect(formatBadgerTable(recordOf([sample('sett', 0, 10)]))).not.toContain('put1')
  })
})
