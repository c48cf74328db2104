import { expect, test } from 'vitest'
import { closingLines, failureLine } from './closing-line.ts'

test('the closing line counts what passed, failed and, if any, was skipped', () => {
  expect(closingLines({ passed: 3, skipped: 0, failures: [] })).toEqual(['3 passed, 0 failed'])
})

test('what failed stands before the closing line', () => {
  const failure = failureLine('test/a.test.ts > adds', new Error('expected 2\nto be 3'))
  expect(closingLines({ passed: 0, skipped: 1, failures: [failure] })).toEqual([
    'FAILED: test/a.test.ts > adds: expected 2',
    '0 passed, 1 failed, 1 skipped',
  ])
})

test('a failure without a reason is told', () => {
  expect(failureLine('test/a.test.ts', undefined)).toBe('test/a.test.ts: ')
})
