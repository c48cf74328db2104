import fc from 'fast-check'
import { expect, test } from 'vitest'
import {
  EXPIRY_STEPS_MAX,
  KEY_LENGTH_MAX,
  SEGMENTS_PER_TABLE_MAX,
} from '../../../src/base/limits.ts'
import type { JobReport } from '../../../src/jobs/job.ts'
import { decodeReport, encodeReport, MESSAGE_MAX } from '../../../src/pool/report-codec.ts'

const whole = fc.nat({ max: Number.MAX_SAFE_INTEGER })
const key = fc.uint8Array({ maxLength: 40 })
const use = fc.record({ number: whole, bytes: whole })
const plain = fc.record({
  number: whole,
  size: whole,
  salt: fc.stringMatching(/^[0-9a-f]{16}$/),
  entries: whole,
  tombstones: whole,
  earliestExpiry: whole,
  latestExpiry: whole,
  smallestVersion: whole,
  largestVersion: whole,
  baseVersion: whole,
  largestBlock: whole,
  newestWal: whole,
  smallestKey: key,
  largestKey: key,
})
const step = fc.record({ until: whole, entries: whole, bytes: whole, referred: whole })
const table = fc
  .tuple(plain, fc.array(use, { maxLength: 5 }), fc.array(step, { maxLength: 16 }))
  .map(([fields, segments, expiring]) => {
    const expires = expiring.length === 0 ? fields : { ...fields, expiring }
    return segments.length === 0 ? expires : { ...expires, segments }
  })
const report: fc.Arbitrary<JobReport> = fc.oneof(
  fc.record({ kind: fc.constant('progress' as const), bytesRead: whole, bytesWritten: whole }),
  fc.record({
    kind: fc.constant('output' as const),
    file: fc.constantFrom('sst' as const, 'vlog' as const),
    number: whole,
  }),
  fc.record({ kind: fc.constant('table' as const), table }),
)

test('a report comes out as it went in, in memory of its own', () => {
  const scratch = Buffer.alloc(MESSAGE_MAX)
  const property = fc.property(
    report,
    fc.nat({ max: 2 ** 32 - 1 }),
    fc.boolean(),
    (given, job, only) => {
      const message = encodeReport(scratch, job, given, only)
      const decoded = decodeReport(message)
      message.fill(0xaa)
      const resultOnly = only && given.kind === 'table'
      expect(decoded).toEqual({ job, report: given, resultOnly })
    },
  )
  fc.assert(property, { numRuns: 200, seed: 20_240_604 })
})

test('the longest keys and most segments fit a message', () => {
  const given = fc.sample(table, { numRuns: 1, seed: 1 })[0]!
  const smallestKey = new Uint8Array(KEY_LENGTH_MAX).fill(0xfe)
  const largestKey = new Uint8Array(KEY_LENGTH_MAX).fill(0xff)
  const segments = Array.from({ length: SEGMENTS_PER_TABLE_MAX }, (_, i) => {
    return { number: Number.MAX_SAFE_INTEGER - 2 * i, bytes: Number.MAX_SAFE_INTEGER - i }
  })
  const most = Number.MAX_SAFE_INTEGER
  const longest = { until: most, entries: most, bytes: most, referred: most }
  const expiring = Array.from({ length: EXPIRY_STEPS_MAX }, () => longest)
  const long: JobReport = {
    kind: 'table',
    table: { ...given, smallestKey, largestKey, segments, expiring },
  }
  const { report: decoded } = decodeReport(encodeReport(Buffer.alloc(MESSAGE_MAX), 1, long))
  expect(decoded.kind).toBe('table')
  if (decoded.kind !== 'table') return
  expect(Buffer.compare(decoded.table.smallestKey, smallestKey)).toBe(0)
  expect(Buffer.compare(decoded.table.largestKey, largestKey)).toBe(0)
  expect(decoded.table.segments).toEqual(segments)
})

test('an unknown kind is an internal error', () => {
  expect(() => decodeReport(Buffer.alloc(8, 7))).toThrow('known kind')
})
