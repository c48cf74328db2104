// Kept runs: they come back as they were measured, and a damaged line is named.
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import {
  historyFile,
  keepRecord,
  LINE_BYTES_AIMED,
  latestRecord,
  readHistory,
} from '../../../../bench/output/history.ts'
import { rateOf } from '../../../../bench/output/readings.ts'
import { VOCABULARY } from '../../../../bench/workloads/vocabulary.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'
import { syntheticRecord } from '../report/synthetic-record.ts'

const workloads = VOCABULARY.filter(({ name }) => ['fillrandom', 'readrandom-sync'].includes(name))
const small = syntheticRecord({ workloads, runs: 2 })

describe('keeping', () => {
  it('keeps every figure to five digits, in the order of keeping', () => {
    const folder = temporaryDirectory()
    keepRecord(small, folder)
    keepRecord({ ...small, commit: 'later' }, folder)
    const [first, second] = readHistory('db', folder)
    expect(second!.commit).toBe('later')
    expect(latestRecord('db', folder)).toEqual(second)
    expect({ ...first!, samples: [], controls: [] }).toEqual({
      ...small,
      samples: [],
      controls: [],
    })
    first!.samples.forEach((sample, at) => {
      const before = small.samples[at]!
      expect(rateOf(sample) / rateOf(before)).toBeCloseTo(1, 3)
      expect(sample.latency?.p999).toBe(
        before.latency && Number(before.latency.p999.toPrecision(5)),
      )
      expect(sample.operations).toBe(before.operations)
    })
  })

  it('does not round rare quantiles up to 1, and keeps all operations of joined windows', () => {
    const folder = temporaryDirectory()
    const [sample] = small.samples
    const latency = {
      ...small.samples.find((one) => one.latency !== undefined)!.latency!,
      curve: [
        [0, 1],
        [0.9999999, 5],
        [1, 9],
      ] as const,
    }
    const windows = { ms: 10, operations: Array.from({ length: 1001 }, (_, at) => at) }
    keepRecord({ ...small, samples: [{ ...sample!, latency, windows }] }, folder)
    const [kept] = latestRecord('db', folder)!.samples
    expect(kept!.latency!.curve[1]![0]).toBe(0.9999999)
    expect(kept!.windows!.ms * kept!.windows!.operations.length).toBeGreaterThanOrEqual(10_010)
    expect(kept!.windows!.operations.reduce((sum, done) => sum + done, 0)).toBe(500_500)
  })

  it('thins the curves of a large record, never its percentiles', () => {
    const folder = temporaryDirectory()
    const large = syntheticRecord({ runs: 3 })
    const file = keepRecord(large, folder)
    expect(JSON.stringify(large).length).toBeGreaterThan(LINE_BYTES_AIMED)
    expect(readFileSync(file).length).toBeLessThan(LINE_BYTES_AIMED)
    const { samples } = latestRecord('db', folder)!
    expect(samples).toHaveLength(large.samples.length)
    samples.forEach(({ latency }, at) => {
      expect(latency === undefined).toBe(large.samples[at]!.latency === undefined)
    })
    expect(samples.some(({ latency }) => (latency?.curve.length ?? 0) >= 12)).toBe(true)
  })

  it('has nothing to tell before anything is kept', () => {
    expect(readHistory('ycsb', temporaryDirectory())).toEqual([])
    expect(latestRecord('ycsb', temporaryDirectory())).toBeUndefined()
  })
})

describe('a damaged history', () => {
  const damaged = (line: string): (() => unknown) => {
    const folder = temporaryDirectory()
    appendFileSync(keepRecord(small, folder), `${line}\n`)
    return () => readHistory('db', folder)
  }

  it.each([
    ['{"recordVersion":1,', /db\.ndjson, line 2: not JSON; restore it/],
    ['', /line 2: not JSON/],
    ['[]', /line 2: no record of a run/],
    [
      JSON.stringify({ ...small, recordVersion: 2 }),
      /line 2: recordVersion is 2, this bench reads 1/,
    ],
    [JSON.stringify({ ...small, kind: 'odd' }), /line 2: no kind odd is known; known: db/],
    [JSON.stringify({ ...small, kind: 'ycsb' }), /line 2: a run of kind ycsb; move it/],
    [JSON.stringify({ ...small, date: 'soon' }), /line 2: date is not a date/],
    [
      JSON.stringify({ ...small, samples: [{ engine: 'sett' }] }),
      /line 2: samples\[0\] lacks one of/,
    ],
  ])('%.30s is named with file and line', (line, message) => {
    expect(damaged(line)).toThrow(message)
  })

  it('a last line without its end is read like any other', () => {
    const folder = temporaryDirectory()
    writeFileSync(historyFile('db', folder), JSON.stringify(small))
    expect(readHistory('db', folder)).toHaveLength(1)
    expect(historyFile('db', folder)).toBe(join(folder, 'db.ndjson'))
  })
})
