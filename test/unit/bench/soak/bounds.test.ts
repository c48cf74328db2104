// What a soak is held to, its text and its page.
import { describe, expect, it } from 'vitest'
import { exitCodeOf } from '../../../../bench/commands/matrix.ts'
import { keepRecord, latestRecord } from '../../../../bench/output/history.ts'
import { formatSoak } from '../../../../bench/output/soak-table.ts'
import { parts, sparkline } from '../../../../bench/output/sparkline.ts'
import { reportHtml } from '../../../../bench/report/write-report.ts'
import { soakFindings } from '../../../../bench/soak/bounds.ts'
import type { SoakCourse } from '../../../../bench/soak/protocol.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'
import { recordOf, samplesOf } from '../output/sample-record.ts'
import { courseOf, pointOf } from './soak-course.ts'

const MIB = 2 ** 20
const FILES = { all: 0, tables: 0, segments: 0, logs: 0 }

/** Verdicts in their order: slowest second, memory, space at peak, after idle, written, answers. */
function verdicts(course: SoakCourse): readonly string[] {
  return soakFindings(course).map(({ verdict }) => verdict)
}

function record(course: SoakCourse) {
  return recordOf(samplesOf('sett', 'soak-load', [100]), { kind: 'soak', runs: 1, soak: course })
}

describe('the bounds of a soak', () => {
  it('hold at their limits, and one beyond each does not', () => {
    const limits = courseOf([{ operations: 170 }, { operations: 100 }, { operations: 30 }], {
      peakBytes: (50 + 64 + 64) * MIB,
      writtenBytes: 12_000,
    })
    const [fill, ...later] = limits.points
    const space = (all: number): Partial<SoakCourse> => ({
      points: [
        { ...fill!, files: { ...FILES, all: 9_999 } },
        ...later.slice(0, -1).map((point) => ({ ...point, files: { ...FILES, all: 250 } })),
        pointOf('idle', { files: { ...FILES, all } }),
      ],
    })
    const held = { ...limits, ...space(150) }
    expect(verdicts(held)).toEqual(Array.from({ length: 6 }, () => 'reached'))
    expect(verdicts({ ...held, peakBytes: held.peakBytes + MIB })[1]).toBe('BELOW')
    expect(verdicts({ ...held, writtenBytes: 12_001 })[4]).toBe('BELOW')
    expect(verdicts({ ...held, ...space(151) }).slice(2, 4)).toEqual(['reached', 'BELOW'])
    expect(verdicts({ ...held, ...space(251) }).slice(2, 4)).toEqual(['BELOW', 'BELOW'])
    expect(verdicts({ ...held, wrong: 1 })[5]).toBe('WRONG')
  })

  it('judge the whole seconds of the load only', () => {
    const slow = courseOf([{ operations: 100 }, { operations: 100 }, { operations: 1 }])
    expect(verdicts(slow)[0]).toBe('BELOW')
    const cut = courseOf([{ operations: 100 }, { operations: 100 }, { operations: 1, ms: 500 }])
    expect(verdicts(cut)[0]).toBe('reached')
    expect(verdicts(courseOf([]))[0]).toBe('–')
  })
})

describe('the text of a soak', () => {
  it('has every line of the course, the phases, the findings and what was wrong', () => {
    const course = courseOf([{ operations: 5_000 }], { wrong: 2, mistakes: ['key 7, read: lost'] })
    const text = formatSoak(record(course))
    expect(text).toMatch(/^operations\/s +▁█▁ +5\.0 k, 0$/m)
    expect(text).toMatch(/^load +1\.00 +5,000 +5\.0 k +0 +1\.50 +1\.20 +1\.20$/m)
    expect(text).toMatch(/^files \/ live, after idle +1\.20 +≤ 1\.5 +reached$/m)
    expect(text).toMatch(/2 of 1,234 wrong +none wrong +WRONG/)
    expect(text).toContain('WRONG: key 7, read: lost')
    expect(text.split('\n').every((line) => line.length <= 160)).toBe(true)
  })

  it('refuses a record without a course', () => {
    expect(() => formatSoak(recordOf([]))).toThrow('no course of a soak')
  })
})

describe('the page of a soak', () => {
  const course = courseOf([{ operations: 100 }, { operations: 5 }, { operations: 100 }])

  it('draws each second and shades those in which the load stood still', () => {
    const page = reportHtml(record({ ...course, mistakes: ['<b>key 1'] }))
    const charts = JSON.parse(
      /<script type="application\/json" id="charts">(.*?)<\/script>/s.exec(page)![1]!,
    )
    expect(charts).toHaveLength(8)
    expect(charts[0].lines[0].points).toHaveLength(course.points.length)
    expect(charts[0].bands).toEqual([[2, 3]])
    expect(page.match(/data-chart="/g)).toHaveLength(8)
    expect(page).toContain('after idle 1.5 ×')
    expect(page).toContain('&lt;b&gt;key 1')
    const unscripted = page.replace(/<script[\s\S]*?<\/script>/g, '')
    expect(unscripted).not.toMatch(/undefined|NaN|Infinity/)
  })

  it('comes from a kept line as well', () => {
    const folder = temporaryDirectory()
    keepRecord(record(course), folder)
    const kept = latestRecord('soak', folder)!
    expect(kept.soak).toEqual(course)
    expect(reportHtml(kept)).toContain('Second by second')
  })
})

it('wrong answers end the command with 1, missed bounds do not', () => {
  const place = { engine: 'sett', run: 0, section: 'soak', durability: 'os' } as const
  const wrong = { ...place, workload: 'soak', cause: '1 wrong answers', failed: true }
  expect(exitCodeOf({ ...record(courseOf([{ operations: 1 }])), gaps: [] })).toBe(0)
  expect(exitCodeOf({ ...record(courseOf([])), gaps: [wrong] })).toBe(1)
})

describe('a sparkline', () => {
  it('goes from zero to its largest part', () => {
    expect(sparkline([0, 1, 2, 4, 8], 5)).toBe('▁▂▃▅█')
    expect(sparkline([0, 0, 8, 8, 4, 4], 3)).toBe('▁█▅')
    expect(sparkline([0, 0], 9)).toBe('▁▁')
    expect(sparkline([Number.NaN, 2], 9)).toBe(' █')
    expect(sparkline([], 9)).toBe('')
  })

  it('leaves nothing out', () => {
    const list = Array.from({ length: 601 }, (_, at) => at)
    expect(parts(list, 80)).toHaveLength(80)
    expect(parts(list, 80).flat()).toEqual(list)
  })
})
