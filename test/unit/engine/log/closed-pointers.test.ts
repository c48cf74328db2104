// verify() of a closed database follows what its logs have in segments, as that of an open one does.
import { expect, it } from 'vitest'
import { resolveOptions } from '../../../../src/base/options.ts'
import { verifyLocation } from '../../../../src/engine/verify/verify-location.ts'
import { segmentPath } from '../../../../src/io/file-names.ts'
import { readManifest } from '../../../../src/manifest/read-manifest.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { small, start } from '../../../support/small-engine.ts'
import { segmentTwin } from '../../../twins/segment.ts'

it('tells a pointer of a log that leads to the value of another key', async () => {
  const fs = new FaultFileSystem()
  const engine = await start(fs)
  // Too large for the memtable: the log has a pointer.
  const value = Buffer.alloc(40_000, 1)
  await engine.put('large', value, { durability: 'sync' })
  await engine.put('other', 'short', { durability: 'sync' })
  const files = fs.image({ rule: 'strict', survives: () => 'none' })
  await engine.close()
  const verify = () =>
    verifyLocation('/db', resolveOptions(small), {}, { fs: new FaultFileSystem({ files }) })
  const whole = await verify()
  expect(whole).toMatchObject({ ok: true, wals: { files: 1, entries: 2 }, tables: { files: 0 } })

  const { state } = readManifest(new FaultFileSystem({ files }), '/db')!
  const [segment] = state.segments
  if (segment === undefined) throw new Error('the test wants a segment')
  // Sound in itself: as long, with the same salt.
  const twin = segmentTwin({
    number: segment.number,
    salt: Buffer.from(segment.salt, 'hex'),
    values: [{ key: Buffer.from('LARGE'), value }],
  })
  expect(twin.bytes.length).toBe(segment.size)
  files.set(segmentPath('/db', segment.number), twin.bytes)
  const { problems, wals } = await verify()
  expect(wals).toEqual(whole.wals)
  expect(problems).toMatchObject([{ kind: 'wal', expected: /pointers to values of their keys/ }])
})
