import { expect, test } from 'vitest'
import {
  currentPath,
  currentTempPath,
  keysPath,
  lockPath,
  manifestPath,
  parseFileName,
  segmentPath,
  tablePath,
  walPath,
} from '../../../src/io/file-names.ts'

const NUMBERS = [1, 7, 999_999, 1_000_000, 123_456_789_012, Number.MAX_SAFE_INTEGER]

test('every name that is built parses back to its kind and number', () => {
  for (const number of NUMBERS) {
    const built = {
      wal: walPath('', number),
      sst: tablePath('', number),
      vlog: segmentPath('', number),
      manifest: manifestPath('', number),
    }
    for (const [kind, name] of Object.entries(built)) {
      expect(parseFileName(name)).toEqual({ kind, number })
    }
  }
  expect(parseFileName(currentPath(''))).toEqual({ kind: 'current', number: 0 })
  expect(parseFileName(currentTempPath(''))).toEqual({ kind: 'currentTemp', number: 0 })
  expect(parseFileName(lockPath(''))).toEqual({ kind: 'lock', number: 0 })
  expect(parseFileName(keysPath(''))).toEqual({ kind: 'keys', number: 0 })
})

test('paths lie directly in the directory and have at least six digits', () => {
  expect(walPath('/data/db', 7)).toBe('/data/db/000007.wal')
  expect(tablePath('db', 12)).toBe('db/000012.sst')
  expect(manifestPath('/data/db', 1)).toBe('/data/db/MANIFEST-000001')
})

test('anything else is not ours', () => {
  const foreign = [
    '',
    '.',
    '..',
    '000000.wal',
    '00007.wal',
    '0000007.wal',
    '000007.WAL',
    '000007.wal ',
    '000007.wal\n',
    ' 000007.wal',
    '000007.tmp',
    '+00007.wal',
    '0x0007.wal',
    '1e0007.wal',
    '٠٠٠٠٠٧.wal',
    '9007199254740992.sst',
    '99999999999999999999.sst',
    'MANIFEST-',
    'MANIFEST-00001',
    'MANIFEST-000000',
    'MANIFEST-0000001',
    'MANIFEST-000001.sst',
    'manifest-000001',
    'current',
    'CURRENT.tmp.tmp',
    'LOCK2',
    '../000007.wal',
    'constructor',
    '__proto__',
  ]
  for (const name of foreign) expect(parseFileName(name), name).toBeUndefined()
})

test('a number that no file can have is refused', () => {
  for (const number of [0, -1, 1.5, Number.NaN, 2 ** 53]) {
    expect(() => walPath('db', number)).toThrow(/file number/)
  }
})
