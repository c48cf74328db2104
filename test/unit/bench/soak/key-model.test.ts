// What must be in the database, and that a wrong answer is seen as one.
import { expect, test } from 'vitest'
import { Checker, KEY_BYTES, KeyModel } from '../../../../bench/soak/key-model.ts'

const AT = { from: 1_000, until: 1_001 }

function modelOf(keys = 8): KeyModel {
  return new KeyModel({ keys, values: [10, 300], seed: 1, compressible: true })
}

/** A put of size number `size`; what it wrote. */
function put(model: KeyModel, index: number, size: number): Buffer {
  const value = model.next(index, size)
  model.wrote(index, size)
  return value
}

function wrongOf(act: (checker: Checker) => void): number {
  const checker = new Checker()
  act(checker)
  return checker.wrong
}

test('keys are distinct, known again, and nothing else is one of them', () => {
  const model = modelOf(1_000)
  const keys = Array.from({ length: 1_000 }, (_, index) => model.key(index))
  expect(new Set(keys.map((key) => key.toString('hex'))).size).toBe(1_000)
  expect(keys.map((key) => model.indexOf(Uint8Array.from(key)))).toEqual([...keys.keys()])
  const foreign = Buffer.from(keys[3]!)
  foreign[0]! ^= 1
  expect(model.indexOf(foreign)).toBe(-1)
  expect(model.indexOf(Buffer.alloc(KEY_BYTES, 0xff))).toBe(-1)
  expect(model.indexOf(keys[3]!.subarray(1))).toBe(-1)
})

test('every write of a key has other bytes, of the length that was asked for', () => {
  const model = modelOf()
  const written = Array.from({ length: 50 }, (_, at) => put(model, 2, at % 2))
  expect(written.map(({ length }) => length).slice(0, 3)).toEqual([10, 300, 10])
  expect(new Set(written.map((value) => value.subarray(0, 10).toString('hex'))).size).toBe(50)
  expect(model.claim(2, AT)).toEqual({ index: 2, value: written[49], sure: true })
})

test('an older value, the value of another key, a missing or an invented one is wrong', () => {
  const model = modelOf()
  const old = put(model, 1, 1)
  const value = put(model, 1, 1)
  const other = put(model, 2, 1)
  const claim = model.claim(1, AT)
  const check = (found: Uint8Array | undefined, of = claim): number =>
    wrongOf((checker) => checker.check(of, found, 'read'))
  expect(check(Uint8Array.from(value))).toBe(0)
  for (const found of [old, other, value.subarray(1), undefined]) expect(check(found)).toBe(1)
  model.deleted(1)
  expect(check(undefined, model.claim(1, AT))).toBe(0)
  expect(check(value, model.claim(1, AT))).toBe(1)
  expect(check(value, claim), 'a claim is of its moment').toBe(0)
})

test('a value that expires is there before, gone after, and either in between', () => {
  const model = modelOf()
  const value = model.next(0, 0)
  model.wrote(0, 0, { from: 2_000, until: 2_010 })
  const wrong = (from: number, until: number): [there: number, gone: number] => {
    const claim = model.claim(0, { from, until })
    const count = (found: Uint8Array | undefined): number =>
      wrongOf((checker) => checker.check(claim, found, 'read'))
    return [count(value), count(undefined)]
  }
  expect(wrong(1_000, 1_999)).toEqual([0, 1])
  expect(wrong(1_000, 2_000)).toEqual([0, 0])
  expect(wrong(2_009, 3_000)).toEqual([0, 0])
  expect(wrong(2_010, 3_000)).toEqual([1, 0])
  put(model, 0, 0)
  expect(model.claim(0, { from: 5_000, until: 5_000 }).sure).toBe(true)
})

test('live bytes are those of keys and values that were neither deleted nor expired', () => {
  const model = modelOf()
  expect(model.liveBytes(0)).toBe(0)
  put(model, 0, 0)
  put(model, 1, 1)
  put(model, 1, 0)
  put(model, 2, 1)
  model.deleted(2)
  model.next(3, 1)
  model.wrote(3, 1, { from: 90, until: 100 })
  const two = 2 * (KEY_BYTES + 10)
  expect(model.liveBytes(99)).toBe(two + KEY_BYTES + 300)
  expect(model.liveBytes(100)).toBe(two)
})

test('a scan finds what is missing, what is twice there and what nobody wrote', () => {
  const model = modelOf(3)
  const values = [put(model, 0, 0), put(model, 1, 1)]
  const scan = (keys: readonly Buffer[]): Checker => {
    const checker = new Checker()
    const check = checker.scan(model, 1_000, 'scan')
    for (const key of keys) check.entry(key, values[model.indexOf(key)] ?? Buffer.alloc(3))
    check.end(1_000)
    return checker
  }
  const [first, second, third] = [0, 1, 2].map((index) => model.key(index))
  expect(scan([first!, second!])).toMatchObject({ wrong: 0, checked: 3 })
  expect(scan([first!]).mistakes).toEqual([
    'key 1, scan: found nothing, expected a value of 300 bytes',
  ])
  expect(scan([first!, second!, second!]).mistakes).toEqual(['scan: key 1 twice'])
  expect(scan([first!, second!, third!]).mistakes).toEqual([
    'key 2, scan: found a value of 3 bytes, expected nothing',
  ])
  expect(scan([first!, second!, Buffer.from('x')]).mistakes).toEqual([
    'scan: a key that nobody wrote',
  ])
})

test('mistakes are all counted, and the first of them told', () => {
  const model = modelOf()
  const checker = new Checker()
  for (let at = 0; at < 20; at++) checker.check(model.claim(0, AT), Buffer.from('x'), 'read')
  expect(checker.wrong).toBe(20)
  expect(checker.mistakes).toHaveLength(5)
})
