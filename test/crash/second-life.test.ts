// Crash, recover, ack more, crash again: nothing of the second life is lost. The cut the first recovery makes must be
// sealed before the first new frame, or the second recovery would cut there again, and leave out what came behind.
import { afterEach, describe, expect, it, vi } from 'vitest'
import { type FileKind, parseFileName } from '../../src/io/file-names.ts'
import type { Disk, Pending } from '../faults/disk.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { checkContent } from './check.ts'
import { History } from './history.ts'
import { Session, type Settings, turns } from './session.ts'

const SEED = Number(process.env['SETT_CRASH_SEED'] ?? Date.now() % 1_000_000)

const HEADER = 64
const settings: Settings = { durability: 'none', l0CompactTrigger: 4 }

/** The planted bug: recovery cuts logs and leaves some out, and writes neither down. */
const planted = vi.hoisted(() => ({ cutNotSealed: false }))

vi.mock('../../src/engine/recover.ts', async (original) => {
  const real = await original<typeof import('../../src/engine/recover.ts')>()
  const recoverLogs: typeof real.recoverLogs = async (...parts) => {
    const logs = await real.recoverLogs(...parts)
    return planted.cutNotSealed ? { ...logs, edit: { lastVersion: logs.lastVersion } } : logs
  }
  return { ...real, recoverLogs }
})

afterEach(() => {
  planted.cutNotSealed = false
})

interface FirstCrash {
  readonly history: History
  readonly cut: number
  readonly files: ReadonlyMap<string, Buffer>
}

/** Crashes that took a frame of a log, and left one that goes on behind it. */
async function firstCrashes(): Promise<FirstCrash[]> {
  const fs = new FaultFileSystem()
  const history = new History()
  const session = new Session({ fs, history, seed: SEED, name: 'first', settings })
  await session.open()
  const fill = async (count: number): Promise<void> => {
    for (let i = 0; i < count; i++) {
      const value = `${history.last + 1} ${'f'.repeat(7_900)}`
      await session.commit([{ type: 'put', key: `key ${i}`, value }], 'none')
    }
  }
  await fill(6)
  // The next log is born; then nothing more becomes durable, and so the older one is not dropped.
  await turns(50)
  const release = holdManifest(fs)
  try {
    await fill(6)
    const [older = [], newer = []] = unsyncedLogs(fs.disk)
    expect(newer.length).toBeGreaterThan(0)
    return older.map(({ index }) => {
      const survives = (change: Pending): 'all' | 'none' =>
        change.index === index || kindOf(fs.disk, change.file) === 'manifest' ? 'none' : 'all'
      return { history, cut: fs.steps.length, files: fs.image({ rule: 'strict', survives }) }
    })
  } finally {
    release()
    await session.close()
  }
}

/** No manifest is synced until the result is called. */
function holdManifest(fs: FaultFileSystem): () => void {
  let release = (): void => undefined
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  const hold = fs.inject({ on: 'sync', path: /MANIFEST/, until, forever: true })
  return () => {
    release()
    hold.lift()
  }
}

/** Frames that are not durable yet, by log, oldest log first. */
function unsyncedLogs(disk: Disk): Pending[][] {
  const byFile = new Map<number, Pending[]>()
  for (const change of disk.pending('strict')) {
    const frame = change.end > HEADER && kindOf(disk, change.file) === 'wal'
    if (frame) byFile.set(change.file, [...(byFile.get(change.file) ?? []), change])
  }
  return [...byFile].sort(([a], [b]) => a - b).map(([, changes]) => changes)
}

function kindOf(disk: Disk, file: number): FileKind | undefined {
  const names = [...disk.names.values()].flatMap((entries) => [...entries])
  const name = names.find(([, id]) => id === file)?.[0]
  return name === undefined ? undefined : parseFileName(name)?.kind
}

/** Two more lives; throws if the third misses what the second was promised. */
async function liveOn({ history, cut, files }: FirstCrash): Promise<void> {
  const parts = { seed: SEED, settings }
  const fs = new FaultFileSystem({ files })
  const second = new Session({ ...parts, fs, name: 'second', history })
  await second.open()
  let after: ReadonlyMap<string, Buffer>
  // What recovery found does not become tables before the crash.
  const release = holdManifest(fs)
  try {
    const found = checkContent(second.engine, history, history.bounds(cut, 'power'))
    second.history = history.after(found, undefined)
    await second.commit([{ type: 'put', key: 'second life', value: 'acked' }], 'sync')
    after = fs.image({ rule: 'strict', survives: () => 'none' })
  } finally {
    release()
    await second.engine.close()
  }
  const { last } = second.history
  const restarted = new FaultFileSystem({ files: after })
  const third = new Session({ ...parts, fs: restarted, name: 'third', history: second.history })
  await third.open()
  try {
    checkContent(third.engine, third.history, { least: last, most: last })
  } finally {
    await third.engine.close()
  }
}

describe(`a second life (SETT_CRASH_SEED=${SEED})`, () => {
  it('keeps what it was promised, wherever the first one lost a part of a log', async () => {
    const crashes = await firstCrashes()
    expect(crashes.length).toBeGreaterThan(0)
    for (const crash of crashes) await liveOn(crash)
  })

  it('would lose it if the cut were not sealed', async () => {
    const crashes = await firstCrashes()
    planted.cutNotSealed = true
    for (const crash of crashes)
      await expect(liveOn(crash)).rejects.toThrow(/only commit \d+; allowed/)
  })
})
