// The driver in Go has generators and histogram of its own; both languages are held to the same file of golden figures
// (bench/peers/badger/generators_test.go is the other side).
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { Dataset, type DatasetSpec } from '../../../../bench/data/dataset.ts'
import { Histogram, type LatencySummary } from '../../../../bench/data/histogram.ts'
import { shuffled, words } from '../../../../bench/data/random.ts'

interface Golden {
  readonly words: { readonly seed: number; readonly first: readonly number[] }
  readonly shuffled: {
    readonly count: number
    readonly seed: number
    readonly order: readonly number[]
  }
  readonly datasets: readonly {
    readonly spec: DatasetSpec
    readonly keys: readonly string[]
    readonly missingKey: string
    readonly shuffled: readonly number[]
    readonly ascending: readonly number[]
    readonly keysHash: string
    readonly valuesHash: string
  }[]
  readonly histogram: {
    readonly seed: number
    readonly latencies: number
    readonly below: number
    readonly summary: LatencySummary
  }
}

const FILE = new URL('../../../../bench/peers/badger/testdata/generators.json', import.meta.url)
const golden: Golden = JSON.parse(readFileSync(FILE, 'utf8'))

describe('figures that the driver in Go must give too', () => {
  it('words and shuffles', () => {
    const { first, seed } = golden.words
    const next = words(seed)
    expect(first.map(() => next())).toEqual(first)
    const { count, order } = golden.shuffled
    expect([...shuffled(count, golden.shuffled.seed)]).toEqual(order)
  })

  it.each(golden.datasets)('$spec.keys keys and their values', (wanted) => {
    const dataset = new Dataset(wanted.spec)
    const last = dataset.count - 1
    const keys = [0, 1, last].map((index) => dataset.key(index).toString('hex'))
    expect(keys).toEqual(wanted.keys)
    expect(dataset.missingKey(2).toString('hex')).toBe(wanted.missingKey)
    const beginning = wanted.shuffled.length
    expect([...dataset.shuffled().subarray(0, beginning)]).toEqual(wanted.shuffled)
    expect([...dataset.ascending().subarray(0, beginning)]).toEqual(wanted.ascending)
    const keysHash = createHash('sha256')
    const valuesHash = createHash('sha256')
    for (let index = 0; index <= last; index++) {
      keysHash.update(dataset.key(index))
      valuesHash.update(dataset.value(index, 0)).update(dataset.value(index, 1))
    }
    expect(keysHash.digest('hex')).toBe(wanted.keysHash)
    expect(valuesHash.digest('hex')).toBe(wanted.valuesHash)
  })

  it('the summary of a histogram', () => {
    const { seed, latencies, below, summary } = golden.histogram
    const histogram = new Histogram()
    const next = words(seed)
    for (let at = 0; at < latencies; at++) histogram.record(next() % below)
    expect(histogram.summary()).toEqual(summary)
  })
})
