// Commits that were written into zeros, two of them not durable when the power goes: whichever sectors of them reached
// the disk, in whatever order, and whatever became of the zeros behind, a beginning of the commits is found, with the
// durable ones in it.
import { beforeAll, describe, expect, it } from 'vitest'
import { walPath } from '../../../src/io/file-names.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { prng, seededBytes } from '../../model/prng.ts'
import { start } from '../../support/small-engine.ts'
import { bench, replay } from '../../unit/wal/wal-support.ts'
import { DIRECTORY } from '../check.ts'

const SEED = Number(process.env['SETT_CRASH_SEED'] ?? Date.now() % 1_000_000)
const SECTOR = 512
const DURABLE = 3
/** One state in so many is opened as well. */
const OPENED = 97

interface Log {
  readonly files: ReadonlyMap<string, Buffer>
  readonly path: string
  readonly number: number
  readonly salt: string
  /** With the durable commits, and with the two behind them. */
  readonly before: Buffer
  readonly after: Buffer
  /** Where the durable ones end, the next one, and the last. */
  readonly ends: readonly [number, number, number]
}

async function makeLog(): Promise<Log> {
  const fs = new FaultFileSystem()
  const engine = await start(fs)
  const { number, salt } = readManifest(fs, DIRECTORY)!.state.wals[0]!
  const path = walPath(DIRECTORY, number)
  const bytes = (): Buffer => fs.image({ rule: 'strict', survives: () => 'all' }).get(path)!
  const end = (): number => {
    const { offset, bytes: length } = fs.calls.findLast((call) => call.kind === 'write')!
    return offset + length
  }
  for (let i = 0; i < DURABLE; i++) await engine.put(`durable ${i}`, 'd'.repeat(100), {})
  const before = bytes()
  const ends = [end()]
  await engine.put('next', 'n'.repeat(1_700), { durability: 'none' })
  ends.push(end())
  await engine.put('last', 'l'.repeat(1_300), { durability: 'none' })
  ends.push(end())
  const files = fs.image({ rule: 'strict', survives: () => 'all' })
  await engine.close()
  return {
    files,
    path,
    number,
    salt,
    before,
    after: files.get(path)!,
    ends: ends as [number, number, number],
  }
}

let log: Log
beforeAll(async () => {
  log = await makeLog()
})

/** First sectors of the two frames that are not durable. */
function sectors(): number[] {
  const [from, , to] = log.ends
  const found: number[] = []
  for (let at = from - (from % SECTOR); at < to; at += SECTOR) found.push(at)
  return found
}

/** How many of the two commits are whole. */
function wholeIn(bytes: Buffer): number {
  const { after, ends } = log
  const same = (from: number, to: number): boolean =>
    bytes.subarray(from, to).equals(after.subarray(from, to))
  if (!same(ends[0], ends[1])) return 0
  return same(ends[1], ends[2]) ? 2 : 1
}

function checkReplay(work: ReturnType<typeof bench>, bytes: Buffer): void {
  const fs = memoryFileSystem()
  fs.makeDirectorySync(DIRECTORY)
  fs.openSync(log.path, 'create').writeSync(bytes, 0)
  const found = replay(work, fs, { number: log.number, saltHex: log.salt })
  const whole = wholeIn(bytes)
  expect(found).toMatchObject({
    cutAt: log.ends[whole],
    records: DURABLE + whole,
    syncedPastDamage: false,
  })
}

async function checkOpen(bytes: Buffer): Promise<void> {
  const fs = new FaultFileSystem({ files: new Map([...log.files, [log.path, bytes]]) })
  const engine = await start(fs)
  const keys = [...Array.from({ length: DURABLE }, (_, i) => `durable ${i}`), 'next', 'last']
  const found = keys.filter((key) => engine.hasSync(key, undefined))
  expect(found).toEqual(keys.slice(0, DURABLE + wholeIn(bytes)))
  await engine.close()
}

describe(`commits in zeros (SETT_CRASH_SEED=${SEED})`, () => {
  const work = bench()

  it('lie in zeros', () => {
    expect(log.before.length).toBe(log.after.length)
    expect(log.after.length).toBeGreaterThan(log.ends[2] + 4_096)
    expect(sectors().length).toBeGreaterThan(5)
    expect(sectors().length).toBeLessThan(11)
  })

  it('are a beginning of what was made, whichever sectors of them are there', async () => {
    const places = sectors()
    for (let chosen = 0; chosen < 2 ** places.length; chosen++) {
      const bytes = Buffer.from(log.before)
      for (const [i, at] of places.entries()) {
        if ((chosen >> i) % 2 === 1) log.after.copy(bytes, at, at, at + SECTOR)
      }
      checkReplay(work, bytes)
      if (chosen % OPENED === SEED % OPENED) await checkOpen(bytes)
    }
  })

  it('and whatever the zeros behind them became: lost, cut short, or what the blocks held before', async () => {
    const random = prng(SEED)
    const [, , to] = log.ends
    for (let state = 0; state < 300; state++) {
      const length = to + random.below(log.after.length - to)
      const bytes = Buffer.from(log.after.subarray(0, length))
      if (state % 3 === 1) seededBytes(SEED + state, length - to).copy(bytes, to)
      if (state % 3 === 2) bytes.copy(bytes, to, 0, length - to)
      checkReplay(work, bytes)
      if (state % OPENED === 0) await checkOpen(bytes)
    }
  })
})
