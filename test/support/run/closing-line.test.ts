import { expect, test } from 'vitest'
import { closingLine } from './closing-line.ts'

test('the closing line counts what passed, failed and, if any, was skipped', () => {
  expect(closingLine({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed')
  expect(closingLine({ passed: 0, failed: 2, skipped: 1 })).toBe('0 passed, 2 failed, 1 skipped')
})
