// The birth of a log takes several syncs: the next one is at hand before a commit has to wait for it.
import { expect, it } from 'vitest'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { start, turns } from '../../../support/small-engine.ts'

const MEMTABLE = 65_536

async function logsBorn(valueBytes: number, commits = 1): Promise<number> {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { valueThreshold: 'off' })
  const value = Buffer.alloc(valueBytes / 4, 1)
  for (let commit = 0; commit < commits; commit += 1) {
    const keys = ['a', 'b', 'c', 'd'].map((key) => `${commit} ${key}`)
    await engine.batch(
      keys.map((key) => ({ type: 'put', key, value })),
      {},
    )
  }
  await turns()
  const created = fs.calls.filter(({ kind, path }) => kind === 'create' && /wal$/.test(path))
  await engine.close()
  return created.length
}

it('with the first commit of which a few fill a memtable', async () => {
  expect(await logsBorn(MEMTABLE / 4)).toBe(2)
})

it('not with one of many', async () => {
  expect(await logsBorn(MEMTABLE / 8)).toBe(1)
  expect(await logsBorn(MEMTABLE / 8, 5)).toBe(2)
})

it('with a commit that has a memtable of its own', async () => {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { valueThreshold: 'off', memtableSize: MEMTABLE })
  const value = Buffer.alloc(MEMTABLE / 5, 1)
  const large = (name: string): Promise<void> =>
    engine.batch(
      Array.from({ length: 8 }, (_, at) => ({ type: 'put', key: `${name} ${at}`, value })),
      {},
    )
  const born = (): number =>
    fs.calls.filter(({ kind, path }) => kind === 'create' && /wal$/.test(path)).length
  // Into the unused one, which gets the room.
  await large('first')
  await turns()
  const written = large('second')
  expect(born()).toBe(3)
  await written
  await engine.close()
})
