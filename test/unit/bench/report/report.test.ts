// The page of a record: whole, self-contained, and nothing from the data becomes markup.
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Script } from 'node:vm'
import { describe, expect, it } from 'vitest'
import { reportCommand } from '../../../../bench/commands/report.ts'
import { keepRecord } from '../../../../bench/output/history.ts'
import type { RecordKind, RunRecord } from '../../../../bench/output/record.ts'
import { latencyPoints } from '../../../../bench/report/charts.ts'
import { courseOf } from '../../../../bench/report/throughput.ts'
import { reportHtml } from '../../../../bench/report/write-report.ts'
import { VOCABULARY } from '../../../../bench/workloads/vocabulary.ts'
import { YCSB_VOCABULARY } from '../../../../bench/workloads/ycsb/vocabulary.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'
import { samplesOf } from '../output/sample-record.ts'
import { section, syntheticRecord } from './synthetic-record.ts'

const record = syntheticRecord()
const page = reportHtml(record)

function elements(html: string, name: string): readonly string[] {
  return [...html.matchAll(new RegExp(`<${name}[^>]*>([\\s\\S]*?)</${name}>`, 'g'))].map(
    ([, in_]) => in_!,
  )
}

/** What the charts are drawn from. */
function charts(html: string): readonly { lines: { name: string; points: unknown[] }[] }[] {
  return JSON.parse(/<script type="application\/json" id="charts">(.*?)<\/script>/s.exec(html)![1]!)
}

describe('the page', () => {
  it('names every engine, also the one that was left out and why, and every workload', () => {
    for (const { name, version } of record.engines) {
      expect(page).toContain(name)
      expect(page).toContain(version)
    }
    expect(page).toContain('needs libatomic')
    for (const { title } of VOCABULARY) expect(page).toContain(title)
  })

  it('says where, when and from what the figures are', () => {
    const { machine, commit, command } = record
    for (const fact of [machine.processor, machine.node, machine.fileSystem, commit, command]) {
      expect(page).toContain(fact)
    }
    expect(page).toContain('2026-11-21 16:00')
    expect(page).toContain('has no call for it')
  })

  it('asks the network for nothing', () => {
    const unscripted = page.replace(/<script[\s\S]*?<\/script>/g, '')
    expect(unscripted).not.toMatch(/https?:|url\(|@import|\ssrc=|<link|<iframe|<img/)
    expect(page).not.toMatch(/<script[^>]+src/)
    expect(page.includes('content="default-src &#39;none&#39;; ')).toBe(true)
  })

  it('carries the licence of uPlot with uPlot', () => {
    expect(page).toContain('Permission is hereby granted')
    expect(page).toContain('Copyright (c) 2022 Leon Sorokin')
  })

  it('has elements that are closed, and scripts that parse', () => {
    const markup = page.replace(/<(script|style)>[\s\S]*?<\/\1>/g, '')
    for (const name of ['section', 'table', 'tr', 'td', 'th', 'svg', 'figure', 'div', 'details']) {
      const opened = markup.match(new RegExp(`<${name}[ >]`, 'g'))?.length
      expect([name, markup.match(new RegExp(`</${name}>`, 'g'))?.length]).toEqual([name, opened])
    }
    expect(markup).not.toMatch(/undefined|NaN|\[object|Infinity/)
    const scripts = elements(page, 'script').slice(1)
    expect(scripts).toHaveLength(2)
    for (const script of scripts) expect(() => new Script(script)).not.toThrow()
  })

  it('shows as many rows as there were measurements, and a box for every chart', () => {
    const raw = elements(page, 'details').at(-1)!
    const rows = record.samples.length + record.controls.length
    expect(raw.match(/<th scope="row">/g)).toHaveLength(rows)
    expect(page.match(/data-chart="/g)).toHaveLength(charts(page).length)
  })

  it('draws fills over time, latencies by percentile, and levels', () => {
    const titles = [...page.matchAll(/aria-label="([^"]+)" data-chart/g)].map(([, title]) => title)
    expect(titles).toContain('fillrandom, batches of 1,000: throughput of sett over time')
    expect(titles.some((title) => title!.startsWith('getSync, random: latency'))).toBe(true)
    expect(page).toContain('sett after fillrandom')
  })
})

describe('hostile names', () => {
  const evil = '</script><script>alert(1)</script>"\'&'
  const renamed = JSON.parse(
    JSON.stringify(record).replaceAll('"classic-level"', JSON.stringify(evil)),
  ) as RunRecord

  it('stay text, in the page and in the data of its charts', () => {
    const html = reportHtml(renamed)
    expect(html).not.toContain('<script>alert')
    expect(html).toContain('&lt;script&gt;alert(1)&lt;/script&gt;&quot;&#39;&amp;')
    expect(elements(html, 'script')).toHaveLength(3)
    expect(charts(html).some(({ lines }) => lines.some(({ name }) => name === evil))).toBe(true)
  })
})

describe('records of other kinds', () => {
  const sett = { name: 'sett', kind: 'ours', version: '0.1.0', durability: 'sync' } as const
  const few = VOCABULARY.filter(({ name }) => ['fillrandom', 'compact', 'readseq'].includes(name))

  it.each<RecordKind>(['badger', 'ycsb', 'presets'])('%s has its figures', (kind) => {
    const engines = [sett, { ...sett, name: 'badger:tuned', kind: 'peer' } as const]
    const workloads = kind === 'ycsb' ? YCSB_VOCABULARY : few
    const html = reportHtml(syntheticRecord({ kind, engines, workloads, runs: 1 }))
    expect(html).toContain('badger:tuned')
    expect(html).toContain(kind === 'ycsb' ? 'YCSB A' : 'fillrandom')
    expect(html).toContain('One run')
  })

  it('presets are set against the first of them', () => {
    const engines = ['balanced', 'throughput'].map((name) => ({ ...sett, name: `sett:${name}` }))
    const html = reportHtml(syntheticRecord({ kind: 'presets', engines, workloads: few }))
    expect(html).toContain('Beside sett:balanced')
  })

  it('growth draws one point for each number of keys', () => {
    const sections = [section('few', 1e4), section('many', 1e5)]
    const wishes = { kind: 'growth', engines: [sett], sections, workloads: few } as const
    const [first] = charts(reportHtml(syntheticRecord(wishes)))
    expect(first!.lines[0]!.points.map((point) => (point as number[])[0])).toEqual([1e4, 1e5])
  })

  it('scaling draws the ideal beside what was measured', () => {
    const once = syntheticRecord({ kind: 'scaling', engines: [sett], workloads: few, runs: 1 })
    const samples = [1, 2].flatMap((workers) =>
      once.samples.map((sample) => ({
        ...sample,
        elapsedMs: 1000 / workers ** 0.5,
        operations: 1000,
        figures: { workers },
      })),
    )
    const [chart] = charts(reportHtml({ ...once, samples }))
    expect(chart!.lines.map(({ name }) => name)).toEqual(['sett', 'ideal'])
    expect(chart!.lines[1]!.points).toEqual([
      [1, 1000],
      [2, 2000],
    ])
  })
})

describe('throughput over time', () => {
  const [sample] = samplesOf('sett', 'fillrandom', [1000], { elapsedMs: 1050 })
  const course = (operations: readonly number[]) =>
    courseOf({ ...sample!, windows: { ms: 100, operations } })

  it('joins slow neighbours to one stall, and counts what follows the last operation as closing', () => {
    const found = course([100, 100, 10, 20, 100, 100, 5, 100, 0, 0])!
    expect(found.stalls).toEqual([
      [0.2, 0.4],
      [0.6, 0.7],
    ])
    expect(found.points).toHaveLength(8)
    expect(found.closing).toBeCloseTo(0.25)
  })

  it('leaves out a last window that is only part of one', () => {
    expect(course([100, 100, 100, 100, 100, 7])!.stalls).toEqual([])
  })
})

it('a latency curve ends at the slowest operation, each nine a step further', () => {
  const curve = [
    [0.5, 10],
    [0.99, 40],
    [0.99999, 90],
    [1, 100],
  ] as const
  const points = latencyPoints({
    count: 1000,
    mean: 9,
    p50: 10,
    p90: 20,
    p99: 40,
    p999: 80,
    max: 100,
    curve,
  })
  expect(points).toEqual([
    [2, 10],
    [100, 40],
    [1000, 100],
  ])
})

describe('the report command', () => {
  it('writes the page of the line that is asked for', async () => {
    const folder = temporaryDirectory()
    const out = join(folder, 'out.html')
    const history = keepRecord(record, folder)
    keepRecord({ ...record, date: '2027-01-01T00:00:00.000Z' }, folder)
    expect(await reportCommand(['--from', history, '--line', '1', '--out', out])).toBe(0)
    await expect(reportCommand(['--from', history, '--line', '3', '--out', out])).rejects.toThrow(
      /has 2 records/,
    )
  })

  it('reads what --json wrote, and says what is wrong with anything else', async () => {
    const folder = temporaryDirectory()
    const [json, out] = [join(folder, 'run.json'), join(folder, 'out.html')]
    writeFileSync(json, JSON.stringify(record))
    expect(await reportCommand(['--from', json, '--out', out])).toBe(0)
    writeFileSync(json, '{}')
    await expect(reportCommand(['--from', json, '--out', out])).rejects.toThrow(/recordVersion/)
  })
})
