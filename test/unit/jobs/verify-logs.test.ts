// The verification of logs: every frame that is known to be there, and those very frames.
import { expect, it } from 'vitest'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import type { JobContext, VerifyResult, WalExtent } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { bench, fileBytes, NO_LINK, put, setFile, writeWal } from '../wal/wal-support.ts'

it('finds a log that is shorter, damaged, or another one', () => {
  const fs = memoryFileSystem()
  fs.makeDirectorySync('/db')
  const machine = bench()
  const wal = writeWal(machine, fs, 1, [
    { records: [put(1, 'a', '1')], link: NO_LINK },
    { records: [put(2, 'b', '2'), put(2, 'c', '3')] },
  ])
  const context: JobContext = {
    ...machine,
    fs,
    randomFill: () => undefined,
    report: () => undefined,
    cancelled: () => false,
  }
  const { number, saltHex: salt, length, digest } = wal
  const known: WalExtent = { number, salt, length, digest }
  const verify = (extent: WalExtent): VerifyResult => {
    const workspace = { address: 65_536, length: 65_536 }
    const spec = {
      kind: 'verify',
      directory: '/db',
      tables: [],
      wals: [extent],
      workspace,
    } as const
    return runJob(spec, context) as VerifyResult
  }
  expect(verify(known)).toMatchObject({ entries: 3, problems: [] })
  expect(verify({ ...known, digest: '0123456789abcdef' }).problems).toHaveLength(1)
  expect(verify({ ...known, length: length + 8 }).problems).toHaveLength(1)
  expect(verify({ ...known, salt: '0123456789abcdef' }).problems).toHaveLength(1)
  const bytes = fileBytes(fs, 1)
  bytes[length - 1] = bytes[length - 1]! ^ 1
  setFile(fs, 1, bytes)
  expect(verify(known).problems).toHaveLength(1)
})
