// What the fuzzer found, each by itself.
import { expect, it } from 'vitest'
import { decodeEditPayload, encodeEditPayload } from '../../../src/format/manifest-edit.ts'
import type { TableMeta } from '../../../src/format/table-meta.ts'
import { tablePath } from '../../../src/io/file-names.ts'
import type { VerifyResult } from '../../../src/jobs/job.ts'
import { runJob } from '../../../src/jobs/run-job.ts'
import { verifyWorkspaceBytes } from '../../../src/jobs/workspace.ts'
import { JobBench } from '../../unit/jobs/support.ts'
import { Bench, DIRECTORY, SHAPE } from '../../unit/sstable/support.ts'
import { takeApart, withOneMore } from './forged-table.ts'

const MIB = 1024 * 1024

function oneTable(): { bench: Bench; base: ReturnType<typeof takeApart>; path: string } {
  const bench = new Bench(8 * MIB)
  const entries = Array.from({ length: 30 }, (_, i) => ({
    key: Buffer.from(`key ${String(i).padStart(2, '0')}`),
    version: i + 1,
    value: Buffer.alloc(40, i),
  }))
  const meta = bench.write(entries, SHAPE, 900_001)[0]!
  const path = tablePath(DIRECTORY, meta.number)
  const file = bench.fs.openSync(path, 'read')
  const bytes = Buffer.alloc(file.sizeSync())
  file.readSync(bytes, 0)
  file.closeSync()
  return { bench, base: takeApart(meta, bytes), path }
}

it('a manifest names no table with a block as long as the table', () => {
  const { base } = oneTable()
  const { packing, ...plain } = base.meta
  const decode = (table: TableMeta) =>
    decodeEditPayload(encodeEditPayload({ tablesAdded: [{ level: 0, table }] }), '/db/m', 0)
  const refused = expect.objectContaining({ code: 'LEVEL_CORRUPTION' })
  expect(decode(plain).tablesAdded?.length).toBe(1)
  for (const largestBlock of [plain.size, 2 ** 31, 2 ** 53 - 1]) {
    expect(() => decode({ ...plain, largestBlock })).toThrow(refused)
  }
  // A compressed block may be longer, up to what every reader has room for.
  if (packing === undefined) throw new Error('the test wants a compressed table')
  const most = 2 ** 20 + 16
  expect(decode({ ...base.meta, largestBlock: most }).tablesAdded?.[0]?.table.packing).toEqual(
    packing,
  )
  for (const largestBlock of [most + 1, 2 ** 31, 2 ** 53 - 1]) {
    expect(() => decode({ ...base.meta, largestBlock })).toThrow(refused)
  }
  for (const wrong of [{ codec: 0 }, { codec: 3 }, { payloadBytes: 2 ** 53 - 1 }]) {
    expect(() => decode({ ...base.meta, packing: { ...packing, ...wrong } })).toThrow(refused)
  }
})

it('a manifest names no compressed table without bytes: no share of them could be told to have expired', () => {
  const { base } = oneTable()
  const { packing } = base.meta
  if (packing === undefined) throw new Error('the test wants a compressed table')
  const table = { ...base.meta, packing: { ...packing, payloadBytes: 0 } }
  const payload = encodeEditPayload({ tablesAdded: [{ level: 0, table }] })
  expect(() => decodeEditPayload(payload, '/db/m', 0)).toThrow(
    expect.objectContaining({ code: 'LEVEL_CORRUPTION' }),
  )
})

it('verify tells a table that no reader opens, since it names another number of blocks', () => {
  const { bench, base, path } = oneTable()
  const { bytes, meta } = withOneMore(base, 'blocks')
  bench.fs.removeSync(path)
  const file = bench.fs.openSync(path, 'create')
  file.writeSync(bytes, 0)
  file.closeSync()
  const refused = expect.objectContaining({ code: 'LEVEL_CORRUPTION', file: path })
  expect(() => bench.open().get(meta)).toThrow(refused)
  const workspace = bench.take(verifyWorkspaceBytes([meta]))
  const spec = { kind: 'verify', directory: DIRECTORY, tables: [meta], workspace } as const
  const { problems } = runJob(spec, new JobBench(bench).context) as VerifyResult
  expect(problems).toEqual([expect.objectContaining({ file: path })])
})
