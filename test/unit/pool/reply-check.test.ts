import { describe, expect, test } from 'vitest'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import type { JobResult, JobSpec, SampleSpec } from '../../../src/jobs/job.ts'
import { isJobReply, isResultOf } from '../../../src/pool/reply-check.ts'
import { type Prng, prng } from '../../model/prng.ts'
import { flushOrder, order } from './orders.ts'

const SEED = Number(process.env['SETT_WORKERS_SEED'] ?? 1)
const FUZZED = 40_000

function table(number: number): TableMeta {
  return {
    number,
    size: 5000,
    salt: '00112233445566ff',
    entries: 3,
    tombstones: 1,
    earliestExpiry: 5,
    latestExpiry: 0,
    smallestVersion: 4,
    largestVersion: 9,
    baseVersion: 0,
    largestBlock: 512,
    newestWal: 2,
    smallestKey: Buffer.from('a'),
    largestKey: Buffer.from('b'),
  }
}

const flush = flushOrder('any')
const verify = order('any')
const replay: JobSpec = {
  kind: 'replay',
  directory: 'd',
  number: 7,
  salt: '00112233445566ff',
  arena: { address: 4096, length: 65_536 },
}
const sample: JobSpec = { ...verify, kind: 'sample', tables: [], keysPerTable: 8 } as SampleSpec
const salvage: JobSpec = { ...flush, kind: 'salvage', file: 3, segments: [] }

const step = { until: 5, entries: 1, bytes: 20, referred: 40 }
const later = { ...step, until: 6 }

const segment = (number: number) => ({ number, size: 300, salt: '0123456789abcdef' })
const referring = (number: number) => ({ ...table(1), segments: [{ number, bytes: 40 }] })

const place = { file: 'f', offset: 4, expected: 'a', found: 'b' }

const keys = { first: Buffer.from('a'), last: Buffer.from('b') }
const lostValues = { ...place, segment: 9, from: 64, length: 40, values: 1, keys }

const good: readonly (readonly [JobSpec, JobResult])[] = [
  [
    flush,
    {
      kind: 'tables',
      tables: [
        { ...table(1), segments: [{ number: 4, bytes: 40 }], expiring: [step, later] },
        { ...table(2), packing: { codec: 1, payloadBytes: 9000 } },
      ],
      segments: [segment(4)],
      entriesIn: 8,
      entriesOut: 6,
      entriesDropped: 2,
      droppedVersion: 5,
      bytesRead: 1,
      bytesWritten: 2,
      bytesBySize: [0, 3],
    },
  ],
  [sample, { kind: 'sample', keys: [{ key: Buffer.from('a'), bytes: 4096 }] }],
  [verify, { kind: 'verify', entries: 3, bytesRead: 9, problems: [place] }],
  [
    replay,
    {
      kind: 'replay',
      number: 7,
      fileLength: 900,
      cutAt: 64,
      syncedPastDamage: false,
      records: 2,
      largestEntry: 9,
      lastVersion: 4,
      manifestEdit: 1,
      syncedOffset: 0,
      digest: 'ffeeddccbbaa9988',
    },
  ],
  [
    salvage,
    {
      kind: 'salvage',
      tables: [table(3)],
      number: 3,
      entries: 3,
      damage: [place],
      lost: [{ ...place, length: 5 }],
      segments: [],
      lostValues: [lostValues],
      readSegments: [9],
    },
  ],
]

describe('a result', () => {
  test.each(good)('of its own kind of job is taken', (spec, result) => {
    expect(isResultOf(spec, result)).toBe(true)
  })

  test('of another kind is not', () => {
    for (const [spec] of good) {
      for (const [other, result] of good) {
        if (other !== spec) expect(isResultOf(spec, result)).toBe(false)
      }
    }
  })

  test('whose numbers do not agree is not', () => {
    const [, result] = good[0]!
    const wrong = [
      { entriesOut: 7 },
      { entriesIn: 7 },
      { entriesDropped: -2 },
      { droppedVersion: 2 ** 60 },
      { bytesRead: Number.NaN },
      { bytesWritten: '2' },
      { tables: [table(1), table(1)] },
      { tables: [table(1), table(21)] },
      { tables: [table(1), table(0)] },
      { tables: [table(1), { ...table(2), salt: 'ABCDEF0123456789' }] },
      { tables: [table(1), { ...table(2), smallestKey: Buffer.from('c') }] },
      { tables: [table(1), { ...table(2), largestKey: 'b' }] },
      { tables: [table(1), { ...table(2), largestKey: Buffer.alloc(65_536, 1) }] },
      { tables: [table(1), { ...table(2), smallestVersion: 10 }] },
      { tables: [table(1), { ...table(2), size: 1.5 }] },
      { tables: [table(1), { ...table(2), packing: { codec: 1 } }] },
      { tables: [table(1), { ...table(2), packing: 'lz4' }] },
      { tables: [table(1), undefined] },
      { tables: [table(1), table(2)] },
      { tables: [{ ...table(1), segments: [{ number: 4 }] }, table(2)] },
      { tables: [{ ...table(1), expiring: [{ until: 5 }] }, table(2)] },
      { tables: [{ ...table(1), expiring: [later, step] }, table(2)] },
      { segments: [segment(4), segment(4)] },
      { segments: [segment(4), segment(5)] },
      { segments: [{ ...segment(4), size: -1 }] },
      { segments: [{ ...segment(4), salt: 'salt' }] },
      { segments: undefined },
      { segments: [segment(21)], tables: [referring(21), table(2)] },
      { segments: [segment(2)], tables: [referring(2), table(2)] },
      { tables: 'none' },
      { bytesBySize: [1, -1] },
      { bytesBySize: 'none' },
    ]
    for (const change of wrong) {
      expect(
        isResultOf(flush, { ...result, ...change } as JobResult),
        `${Object.keys(change)}`,
      ).toBe(false)
    }
  })
})

describe('a result of a salvage', () => {
  test('with lost values that are none, or segments nobody refers to, is not taken', () => {
    const [spec, result] = good.at(-1)!
    const wrong = [
      { lostValues: [{ ...lostValues, segment: -1 }] },
      { lostValues: [{ ...lostValues, values: undefined }] },
      { lostValues: [{ ...lostValues, keys: { first: 'a', last: 'b' } }] },
      { lostValues: [{ ...lostValues, file: 3 }] },
      { lostValues: undefined },
      { readSegments: [0.5] },
      { segments: [{ number: 1, size: 300, salt: '0011223344556677' }] },
    ]
    for (const change of wrong) {
      expect(
        isResultOf(spec, { ...result, ...change } as JobResult),
        `${Object.keys(change)}`,
      ).toBe(false)
    }
  })
})

describe('a reply', () => {
  const [, result] = good[1]!
  const reply = { kind: 'done', outcome: { ok: true, result }, tables: [1], thread: 3, busyMs: 0.5 }
  const record = { name: 'Error', code: 'EIO', message: 'm', stack: '' }

  test('with a result or with an error is taken', () => {
    expect(isJobReply(reply)).toBe(true)
    expect(isJobReply({ ...reply, outcome: { ok: false, error: record } })).toBe(true)
    expect(isJobReply({ ...reply, outcome: { ok: false, error: { ...record, place } } })).toBe(true)
  })

  test('with less is not', () => {
    for (const error of [undefined, {}, { ...record, code: 7 }, { ...record, place: {} }]) {
      expect(isJobReply({ ...reply, outcome: { ok: false, error } })).toBe(false)
    }
    for (const outcome of [undefined, null, {}, { ok: 1, result }, { ok: true }]) {
      expect(isJobReply({ ...reply, outcome })).toBe(false)
    }
    expect(isJobReply({ ...reply, tables: [1.5] })).toBe(false)
    expect(isJobReply({ ...reply, thread: undefined })).toBe(false)
  })
})

test(`${FUZZED} mutated answers are never met with an exception (seed ${SEED})`, () => {
  const random = prng(SEED)
  let taken = 0
  for (let i = 0; i < FUZZED; i++) {
    const [spec, result] = good[random.below(good.length)]!
    const reply = { kind: 'done', outcome: { ok: true, result }, tables: [], thread: 1, busyMs: 1 }
    const given = mutated(reply, random)
    if (isJobReply(given) && given.outcome.ok && isResultOf(spec, given.outcome.result)) taken++
  }
  // Some changes are of no account, such as of a file's name.
  expect(taken).toBeGreaterThan(0)
  expect(taken).toBeLessThan(FUZZED / 4)
})

const STRANGE: readonly unknown[] = [
  undefined,
  null,
  -1,
  2 ** 53,
  Number.NaN,
  '',
  'x',
  [],
  {},
  true,
]

/** A copy with one thing in it replaced or dropped. */
function mutated(value: unknown, random: Prng): unknown {
  const strange = STRANGE[random.below(STRANGE.length)]
  if (random.chance(0.1)) return strange
  if (Array.isArray(value) && value.length > 0) {
    const at = random.below(value.length)
    return value.map((each, i) => (i === at ? mutated(each, random) : each))
  }
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return strange
  const names = Object.keys(value)
  const name = names[random.below(names.length)]
  if (name === undefined) return strange
  if (random.chance(0.1)) {
    return Object.fromEntries(Object.entries(value).filter(([other]) => other !== name))
  }
  return { ...value, [name]: mutated(Reflect.get(value, name), random) }
}
