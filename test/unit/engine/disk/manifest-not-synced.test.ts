// A manifest whose sync failed in one process is readable in the next, and its next sync succeeds; the disk still never
// saw it. What it says is superfluous may be removed once it was written again.
import { expect, it } from 'vitest'
import type { Survival } from '../../../faults/disk.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, ends, start } from '../../../support/small-engine.ts'

/** A power cut that comes after removals reached the disk. */
const POWER_CUT: Survival = {
  rule: 'strict',
  survives: ({ kind }) => (kind === 'remove' ? 'all' : 'none'),
}

/** The files as the next process finds them, on a machine that goes on. */
function nextProcess(fs: FaultFileSystem): FaultFileSystem {
  return new FaultFileSystem({ steps: fs.steps.slice() })
}

it('a log that only such a manifest does not name stays until it is durable', async () => {
  const first = new FaultFileSystem()
  const engine = await start(first)
  await engine.put('a', '1', {})
  // The edit that names the next log, then the one that leaves out this one: the disk never sees it.
  first.inject({ on: 'sync', path: /MANIFEST/, nth: 2, errno: 'EIO' })
  expect(await codeOf(engine.flush())).toBe('SETT_POISONED')
  await ends(engine.close())
  // Its manifest stays behind, so that the third has more than one file to remove.
  const second = nextProcess(first)
  second.inject({ on: 'sync', path: /MANIFEST/, errno: 'EIO', forever: true })
  expect(await codeOf(start(second))).not.toBe('no error')
  const third = nextProcess(second)
  third.inject({ on: 'create', path: /MANIFEST/, errno: 'EIO', forever: true })
  expect(await codeOf(start(third))).not.toBe('no error')
  const removed = third.calls.filter(({ kind, path }) => kind === 'remove' && /wal$/.test(path))
  expect(removed.length).toBeGreaterThan(0)
  const again = await start(new FaultFileSystem({ files: third.image(POWER_CUT) }))
  expect(again.getSync('a', undefined, 'utf8')).toBe('1')
  await again.close()
})
