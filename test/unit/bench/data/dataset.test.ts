import { describe, expect, it } from 'vitest'
import { Dataset, type DatasetSpec } from '../../../../bench/data/dataset.ts'

const SPECS: readonly DatasetSpec[] = [
  { count: 5_000, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 },
  { count: 5_000, keys: 'random', keyBytes: 4, valueBytes: 2, seed: 2 },
  { count: 5_000, keys: 'sequential', keyBytes: 16, valueBytes: 1_024, seed: 3 },
  { count: 5_000, keys: 'sequential', keyBytes: 10, valueBytes: 3, seed: 3 },
  { count: 5_000, keys: 'text', keyBytes: 32, valueBytes: 100, seed: 4 },
  { count: 5_000, keys: 'text', keyBytes: 24, valueBytes: 100, seed: 4 },
  { count: 500, keys: 'random', keyBytes: 16, valueBytes: 300, seed: 5, values: 'documents' },
]
const PLAIN: DatasetSpec = SPECS[0]!

const hex = (dataset: Dataset): string[] =>
  Array.from({ length: dataset.count }, (_, index) => dataset.key(index).toString('hex'))

describe.each(SPECS)('$keys keys of $keyBytes bytes', (spec) => {
  const dataset = new Dataset(spec)
  const keys = hex(dataset)

  it('are unique and of their length; missing keys are none of them', () => {
    const written = new Set(keys)
    expect(written.size).toBe(spec.count)
    expect(keys.every((key) => key.length === 2 * spec.keyBytes)).toBe(true)
    const missing = keys.map((_, index) => dataset.missingKey(index).toString('hex'))
    expect(missing.filter((key) => written.has(key))).toEqual([])
    expect(new Set(missing).size).toBe(spec.count)
  })

  it('come in byte order from ascending(), each once', () => {
    const order = [...dataset.ascending()]
    expect(order.map((index) => keys[index]!)).toEqual([...keys].sort())
    expect(new Set(dataset.shuffled()).size).toBe(spec.count)
  })

  it('are the same in every process, as the values are', () => {
    const again = new Dataset(spec)
    expect(hex(again)).toEqual(keys)
    for (let index = 0; index < spec.count; index += 97) {
      expect(again.value(index, 1)).toEqual(dataset.value(index, 1))
      expect(again.value(index)).toHaveLength(spec.valueBytes)
    }
  })
})

it('makes documents of one shape, each its own, cut to their length', () => {
  const spec = { count: 400, keys: 'random', keyBytes: 16, valueBytes: 300, seed: 5 } as const
  const dataset = new Dataset({ ...spec, values: 'documents' })
  const texts = Array.from({ length: spec.count }, (_, at) => dataset.value(at).toString('latin1'))
  expect(new Set(texts).size).toBe(spec.count)
  for (const text of texts) {
    expect(text).toHaveLength(300)
    const whole: object = JSON.parse(`${text}"}`)
    expect(Object.keys(whole)).toEqual(['id', 'created', 'author', 'size', 'tags', 'text'])
  }
})

it('tells two datasets apart by their seed', () => {
  const other = new Dataset({ ...PLAIN, seed: 9 })
  const one = new Dataset(PLAIN)
  expect(other.key(0)).not.toEqual(one.key(0))
  expect(other.value(0)).not.toEqual(one.value(0))
})

describe('check()', () => {
  const dataset = new Dataset(PLAIN)

  it('takes the value that belongs to a key and generation', () => {
    for (let index = 0; index < 100; index++) {
      dataset.check(index, Buffer.from(dataset.value(index)))
      dataset.check(index, Buffer.from(dataset.value(index, 3)), 3)
    }
  })

  it('throws at any wrong byte of every 16th key, and at the first and last byte of all', () => {
    for (const index of [0, 16, 4_992]) {
      for (let at = 0; at < PLAIN.valueBytes; at++) {
        const wrong = Buffer.from(dataset.value(index))
        wrong[at] = wrong[at]! ^ 1
        expect(() => dataset.check(index, wrong)).toThrow(`key ${index}: a wrong value`)
      }
    }
    for (const at of [0, PLAIN.valueBytes - 1]) {
      const wrong = Buffer.from(dataset.value(7))
      wrong[at] = wrong[at]! ^ 1
      expect(() => dataset.check(7, wrong)).toThrow('key 7: a wrong value')
    }
  })

  it('throws at a missing value, a shorter one, and one of another generation', () => {
    expect(() => dataset.check(1, undefined)).toThrow('key 1')
    expect(() => dataset.check(1, dataset.value(1).subarray(1))).toThrow('key 1')
    expect(() => dataset.check(1, dataset.value(1, 1))).toThrow('key 1')
  })
})

describe('a spec that does not fit', () => {
  const cases: readonly [Partial<DatasetSpec>, string][] = [
    [{ keyBytes: 15 }, 'random keys take a multiple of 4 bytes, not 15'],
    [{ keyBytes: 0 }, 'a multiple of 4 bytes, not 0'],
    [{ keys: 'sequential', keyBytes: 9 }, 'sequential keys take at least 10 bytes, not 9'],
    [{ keys: 'text', keyBytes: 23 }, 'text keys take at least 24 bytes, not 23'],
    [{ count: 0 }, 'not 0'],
    [{ count: 2 ** 40 }, `not ${2 ** 40}`],
    [{ valueBytes: 1 }, 'values take at least 2 bytes, not 1'],
    [{ valueBytes: 99.5 }, 'valueBytes must be a whole number, not 99.5'],
    [{ seed: Number.NaN }, 'seed must be a whole number'],
  ]
  it.each(cases)('%o is refused', (part, message) => {
    expect(() => new Dataset({ ...PLAIN, ...part })).toThrow(message)
  })
})
