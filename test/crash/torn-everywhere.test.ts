// A log and a manifest cut at every single byte, and a long batch torn at every sector: whole commits and whole edits
// count, nothing else does. Most cuts are only decoded; some are opened.
import { beforeAll, describe, expect, it } from 'vitest'
import { CorruptionError } from '../../src/base/errors.ts'
import { EDIT_HEADER_BYTES, readEditFrame } from '../../src/format/manifest-edit.ts'
import { currentPath, manifestPath, walPath } from '../../src/io/file-names.ts'
import type { FileSystem, OpenFile } from '../../src/io/file-system.ts'
import { memoryFileSystem } from '../../src/io/memory-file-system.ts'
import { readManifest } from '../../src/manifest/read-manifest.ts'
import { Disk } from '../faults/disk.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { seededBytes } from '../model/prng.ts'
import { codeOf, start } from '../support/small-engine.ts'
import { bench, replay } from '../unit/wal/wal-support.ts'
import { DIRECTORY } from './check.ts'
import { OPERATIONS } from './operations.ts'
import { liveThrough, type Workload } from './workloads.ts'

const SEED = Number(process.env['SETT_CRASH_SEED'] ?? Date.now() % 1_000_000)
const HEADER = 64
const SECTOR = 512
const BATCH = 1_000
/** Seconds where nothing else runs. */
const PATIENCE_MS = 120_000
/** One cut in so many is opened as well. */
const OPENED = 1_500
const LARGE = { memtableSize: 1024 * 1024, memoryBudget: 16 * 1024 * 1024 }

interface Log {
  readonly files: ReadonlyMap<string, Buffer>
  readonly path: string
  readonly number: number
  readonly salt: string
  readonly bytes: Buffer
  /** Where each commit ends, and how many records there are by then. */
  readonly ends: readonly { readonly at: number; readonly records: number }[]
  /** Where the batch begins and ends. */
  readonly batch: { readonly from: number; readonly to: number }
}

/** 64 KiB: commits of one record, a batch of a thousand, and two more of one. */
async function makeLog(): Promise<Log> {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { ...LARGE, durability: 'none' })
  const ends: { at: number; records: number }[] = []
  const { state } = readManifest(fs, DIRECTORY)!
  const { number, salt } = state.wals[0]!
  const path = walPath(DIRECTORY, number)
  const length = (): number => fs.statSync(path)!.size
  let records = 0
  const commit = async (count: number, valueLength: number): Promise<void> => {
    await engine.batch(
      Array.from({ length: count }, (_, i) => ({
        type: 'put',
        key: `key ${String(i).padStart(4, '0')}`,
        value: 'v'.repeat(valueLength),
      })),
      {},
    )
    records += count
    ends.push({ at: length(), records })
  }
  while (length() < 16_000) await commit(1, 150)
  const from = length()
  await commit(BATCH, 24)
  const to = length()
  for (let i = 0; i < 2; i++) await commit(1, 150)
  const files = fs.image({ rule: 'strict', survives: () => 'all' })
  await engine.close()
  return { files, path, number, salt, bytes: files.get(path)!, ends, batch: { from, to } }
}

let log: Log
beforeAll(async () => {
  log = await makeLog()
})

/** What counts of a log that is whole up to `length`. */
function expected(length: number): { readonly at: number; readonly records: number } {
  return log.ends.findLast(({ at }) => at <= length) ?? { at: HEADER, records: 0 }
}

interface Placed {
  readonly fs: FileSystem
  readonly file: OpenFile
  readonly wal: { readonly number: number; readonly saltHex: string }
}

function place(bytes: Uint8Array): Placed {
  const fs = memoryFileSystem()
  fs.makeDirectorySync(DIRECTORY)
  const file = fs.openSync(log.path, 'create')
  file.writeSync(bytes, 0)
  return { fs, file, wal: { number: log.number, saltHex: log.salt } }
}

async function entriesWith(bytes: Buffer): Promise<number> {
  const fs = new FaultFileSystem({ files: new Map([...log.files, [log.path, bytes]]) })
  const engine = await start(fs, LARGE)
  const reader = engine.range({
    keys: true,
    values: false,
    keyForm: 'utf8',
    valueForm: 'utf8',
    version: engine.version,
  })
  const count = reader.next(2 * BATCH).length
  await engine.close()
  return count
}

/** Keys there are after so many records: the commits of one record all write the first key. */
function keysAfter(records: number): number {
  return records >= BATCH ? BATCH : Math.min(1, records)
}

describe('a log of 64 KiB', () => {
  const work = bench()

  it(
    'ends where the last whole commit does, whatever byte it is cut at',
    () => {
      expect(log.bytes.length).toBeGreaterThan(60_000)
      const { fs, file, wal } = place(log.bytes)
      for (let length = log.bytes.length; length >= HEADER; length--) {
        file.truncateSync(length)
        const found = replay(work, fs, wal)
        const { at, records } = expected(length)
        if (found.cutAt !== at || found.records !== records || found.syncedPastDamage) {
          expect({ length, ...found }).toEqual({ length, cutAt: at, records })
        }
        if ((found.damage === undefined) !== (length === at)) expect.fail(`damage at ${length}`)
      }
      // The header is durable before the log is named.
      for (let length = HEADER - 1; length >= 0; length--) {
        file.truncateSync(length)
        expect(() => replay(work, fs, wal)).toThrow(CorruptionError)
      }
    },
    PATIENCE_MS,
  )

  it('leaves a batch of a thousand out if any sector of it is missing, zero or stale', () => {
    const { from, to } = log.batch
    const before = expected(from)
    for (let at = from - (from % SECTOR); at < to; at += SECTOR) {
      const start = Math.max(at, from)
      const end = Math.min(at + SECTOR, to)
      for (const fill of [
        Buffer.alloc(SECTOR),
        seededBytes(at, SECTOR),
        log.bytes.subarray(0, SECTOR),
      ]) {
        const torn = Buffer.from(log.bytes)
        torn.set(fill.subarray(0, end - start), start)
        const { fs, wal } = place(torn)
        expect(replay(work, fs, wal)).toMatchObject({
          cutAt: before.at,
          records: before.records,
          syncedPastDamage: false,
        })
      }
    }
  })

  it('opens with what counts, cut anywhere, and with zeros or garbage behind the cut', async () => {
    const { length } = log.bytes
    const cuts = [length, log.batch.to, log.batch.to - 1, log.batch.from, log.batch.from + 1]
    for (let cut = HEADER + (SEED % OPENED); cut < length; cut += OPENED) cuts.push(cut)
    for (const cut of cuts) {
      const whole = log.bytes.subarray(0, cut)
      const keys = keysAfter(expected(cut).records)
      const tails = [Buffer.alloc(0), Buffer.alloc(4096), seededBytes(SEED + cut, 4096)]
      const tail = tails[cut % tails.length]!
      expect(await entriesWith(Buffer.concat([whole, tail])), `cut at ${cut}`).toBe(keys)
    }
  })

  it('is refused without its header', async () => {
    expect(await codeOf(entriesWith(log.bytes.subarray(0, HEADER - 1)))).toBe('LEVEL_CORRUPTION')
  })
})

interface Edit {
  /** Manifest and CURRENT before the edit, and the edit's bytes. */
  readonly files: ReadonlyMap<string, Buffer>
  readonly path: string
  readonly bytes: Buffer
}

/** Every edit that is appended while operations of each kind run. */
async function appendedEdits(): Promise<Edit[]> {
  const names = ['rotation', 'compaction', 'move', 'reopen']
  const operations = names.map((name) => OPERATIONS.find((each) => each.name === name)!)
  const settings = { durability: 'none', l0CompactTrigger: 4 } as const
  const workload: Workload = { number: 1e6, operations, settings, overlapping: false }
  const { life } = await liveThrough(SEED, workload)
  const disk = new Disk(life.files)
  const edits: Edit[] = []
  for (const step of life.steps) {
    const name = step.kind === 'write' ? nameOf(disk, step.file) : undefined
    if (step.kind === 'write' && name?.startsWith('MANIFEST') && step.at > HEADER) {
      const files = disk.image({ rule: 'strict', survives: () => 'all' })
      edits.push({ files, path: `${DIRECTORY}/${name}`, bytes: step.bytes })
    }
    disk.apply(step)
  }
  return edits
}

function nameOf(disk: Disk, file: number): string | undefined {
  const all = [...disk.names.values()].flatMap((names) => [...names])
  return all.find(([, id]) => id === file)?.[0]
}

/** The number of the last edit that counts, with these bytes behind the ones before it. */
function lastEditWith({ files, path }: Edit, tail: Uint8Array): number {
  const fs = memoryFileSystem()
  fs.makeDirectorySync(DIRECTORY)
  const current = currentPath(DIRECTORY)
  fs.openSync(current, 'create').writeSync(files.get(current)!, 0)
  const manifest = fs.openSync(path, 'create')
  const before = files.get(path)!
  manifest.writeSync(before, 0)
  manifest.writeSync(tail, before.length)
  return readManifest(fs, DIRECTORY)!.state.editNumber
}

describe('a manifest', () => {
  it(
    'has an edit or has it not, whatever byte the last one is torn at',
    async () => {
      const edits = (await appendedEdits()).filter(isNamed)
      expect(edits.length).toBeGreaterThan(10)
      let cuts = 0
      for (const edit of edits) {
        const { bytes } = edit
        const before = lastEditWith(edit, Buffer.alloc(0))
        const after = lastEditWith(edit, bytes)
        expect(after).toBe(before + 1)
        const payloadEnd = EDIT_HEADER_BYTES + readEditFrame(bytes, 0)!.payloadLength
        for (let length = 0; length < bytes.length; length++) {
          const whole = bytes.subarray(0, length)
          expect(lastEditWith(edit, whole), `cut at ${length}`).toBe(before)
          const zeros = Buffer.concat([whole, Buffer.alloc(bytes.length - length)])
          // What is missing may have been zeros.
          const same = length >= payloadEnd || zeros.equals(bytes)
          expect(lastEditWith(edit, zeros), `zeros from ${length}`).toBe(same ? after : before)
          const flipped = bytes.subarray(length).map((byte) => byte ^ 0xff)
          const garbage = Buffer.concat([whole, flipped])
          expect(lastEditWith(edit, garbage), `garbage from ${length}`).toBe(before)
          cuts++
        }
      }
      expect(cuts).toBeGreaterThan(500)
    },
    PATIENCE_MS,
  )
})

/** CURRENT names its manifest already. */
function isNamed({ files, path }: Edit): boolean {
  const current = files.get(currentPath(DIRECTORY))
  if (current === undefined) return false
  return manifestPath(DIRECTORY, Number(current.readBigUInt64LE(16))) === path
}
