// Every registered operation does what its name says; otherwise its cuts prove nothing. Told by the manifest edits it
// made.
import { describe, expect, it } from 'vitest'
import {
  decodeEditPayload,
  EDIT_HEADER_BYTES,
  type ManifestEdit,
  readEditFrame,
} from '../../src/format/manifest-edit.ts'
import type { Step } from '../faults/disk.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { History, LASTING_MS } from './history.ts'
import { OPERATIONS } from './operations.ts'
import { Session } from './session.ts'

interface Told {
  /** Of the operations before it, too. */
  readonly all: readonly ManifestEdit[]
  readonly edits: readonly ManifestEdit[]
  readonly steps: readonly Step[]
  readonly history: History
}

/** Runs one operation after another in an open database; what the last one did. */
async function run(...names: readonly string[]): Promise<Told> {
  const fs = new FaultFileSystem()
  const operations = names.map((name) => OPERATIONS.find((each) => each.name === name)!)
  const eager = operations.some((operation) => operation.eager === true)
  const split = operations.some((operation) => operation.split === true)
  const separate = operations.some((operation) => operation.separate === true)
  const session = new Session({
    fs,
    history: new History(),
    seed: 7,
    name: 'alone',
    settings: { durability: 'none', l0CompactTrigger: eager ? 1 : 4, split, separate },
  })
  await session.open()
  let from = 0
  for (const operation of operations) {
    from = session.fs.steps.length
    await operation.run(session)
  }
  const steps = session.fs.steps.slice(from)
  const all = session.fs.steps.flatMap(editsIn)
  const { history } = session
  await session.close()
  return { all, edits: steps.flatMap(editsIn), steps, history }
}

function editsIn(step: Step): ManifestEdit[] {
  if (step.kind !== 'write') return []
  const frame = readEditFrame(step.bytes, 0)
  if (frame === undefined) return []
  const end = EDIT_HEADER_BYTES + frame.payloadLength
  return [decodeEditPayload(step.bytes.subarray(EDIT_HEADER_BYTES, end), '', 0)]
}

function count(steps: readonly Step[], kind: Step['kind'], name: RegExp): number {
  return steps.filter((step) => {
    if (step.kind === 'rename') return kind === 'rename' && name.test(step.to.name)
    return (
      step.kind === kind && 'at' in step && typeof step.at === 'object' && name.test(step.at.name)
    )
  }).length
}

type Write = Extract<Step, { readonly kind: 'write' }>

function writesTo(steps: readonly Step[], file: number): Write[] {
  return steps.flatMap((step) => (step.kind === 'write' && step.file === file ? [step] : []))
}

/** Writes of nothing but zeros. */
function fillsIn(steps: readonly Step[]): Write[] {
  return steps.flatMap((step) => {
    if (step.kind !== 'write' || step.bytes.length < 4_096) return []
    return step.bytes.every((byte) => byte === 0) ? [step] : []
  })
}

/** [tables taken from each level, tables put into each level], of edits that do both. */
function merges(edits: readonly ManifestEdit[]): [from: number[], to: number[]][] {
  return edits.flatMap(({ tablesRemoved = [], tablesAdded = [], snapshot }) => {
    if (snapshot === true || tablesRemoved.length === 0) return []
    return [[tablesRemoved.map(({ level }) => level), tablesAdded.map(({ level }) => level)]]
  })
}

describe('the operation', () => {
  it.each(['put', 'put-sync', 'del', 'batch', 'batch-sync', 'large'])(
    '%s is one commit',
    async (name) => {
      const { history, steps } = await run(name)
      expect(history.last).toBe(1)
      expect(steps.some(({ kind }) => kind === 'write')).toBe(true)
      if (name.endsWith('sync')) expect(steps.at(-1)?.kind).toBe('sync')
    },
  )

  it('large begins a log', async () => {
    const { edits } = await run('put', 'large')
    expect(edits.some(({ walsAdded }) => walsAdded?.length === 1)).toBe(true)
  })

  it.each([
    ['large-value', 1, 1],
    ['large-values', 6, 2],
    ['streamed-value', 6, 1],
  ])('%s is %i commits, with %i segments named before', async (name, commits, segments) => {
    const { history, edits } = await run(name)
    expect(history.last).toBe(commits)
    const named = edits.flatMap(({ segmentsAdded = [] }) => segmentsAdded)
    expect(named.length).toBe(segments)
  })

  it('overwritten-value drops its segment when it is flushed', async () => {
    const { edits } = await run('overwritten-value')
    const dropped = edits.flatMap(({ segmentsDropped = [] }) => segmentsDropped)
    expect(edits[0]?.segmentsAdded?.map(({ number }) => number)).toEqual(dropped)
  })

  it('failing-stream begins a segment and names none', async () => {
    const { edits, steps } = await run('failing-stream')
    expect(count(steps, 'create', /\.vlog$/)).toBe(1)
    expect(edits.flatMap(({ segmentsAdded = [] }) => segmentsAdded)).toEqual([])
  })

  it('large-recovery opens logs that point to segments', async () => {
    const { edits, history } = await run('large-recovery')
    expect(history.last).toBeGreaterThan(1)
    const opening = edits.findLast(({ snapshot }) => snapshot === true)
    expect(opening?.segmentsAdded?.length).toBeGreaterThan(0)
    expect(opening?.walsSealed?.length).toBeGreaterThan(0)
  })

  it('burst is many commits in few writes', async () => {
    const { history, steps } = await run('burst')
    expect(history.last).toBe(7)
    expect(steps.filter(({ kind }) => kind === 'write').length).toBeLessThan(7)
  })

  it('clear is one commit that leaves no key of its range', async () => {
    const { history } = await run('batch', 'batch', 'clear')
    expect(history.last).toBe(3)
    const keys = [...history.content(3).keys()]
    expect(history.content(2).size).toBeGreaterThan(keys.length)
    expect(keys.filter((key) => key > 'key 10' && key < 'key 2')).toEqual([])
  })

  it('rotation begins a log', async () => {
    const { steps } = await run('rotation')
    expect(count(steps, 'create', /\.wal$/)).toBeGreaterThan(0)
  })

  it('durable-row overwrites zeros', async () => {
    const { steps, history } = await run('durable-row')
    expect(history.last).toBe(4)
    expect(steps.filter(({ kind }) => kind === 'sync').length).toBe(4)
    const [zeros, ...more] = fillsIn(steps)
    expect(more).toEqual([])
    const end = zeros!.at + zeros!.bytes.length
    expect(writesTo(steps, zeros!.file).filter((each) => each.at < zeros!.at).length).toBe(1)
    const within = writesTo(steps, zeros!.file).filter((each) => each.at > zeros!.at)
    expect(within.length).toBe(2)
    expect(within.every(({ at, bytes }) => at + bytes.length <= end)).toBe(true)
  })

  it('filled-rotation cuts zeros off', async () => {
    const { steps } = await run('filled-rotation')
    const [zeros] = fillsIn(steps)
    const cut = steps.filter((step) => step.kind === 'truncate' && step.file === zeros!.file)
    expect(cut.length).toBe(1)
  })

  it('filled-recovery finds zeros', async () => {
    const { steps, edits, history } = await run('filled-recovery')
    expect(fillsIn(steps).length).toBe(1)
    expect(edits.some(({ snapshot }) => snapshot === true)).toBe(true)
    expect(history.last).toBeGreaterThanOrEqual(3)
  })

  it('flush makes tables and drops logs', async () => {
    const { edits } = await run('flush')
    expect(edits.some(({ tablesAdded }) => tablesAdded?.[0]?.level === 0)).toBe(true)
    expect(edits.some(({ walsDropped }) => walsDropped?.length === 1)).toBe(true)
  })

  it('compaction merges tables that overlap', async () => {
    const { edits } = await run('compaction')
    const [from, to] = merges(edits)[0]!
    expect(from).toEqual([0, 0])
    expect(to).toEqual([6])
  })

  it('wide-compaction has several outputs', async () => {
    const { edits } = await run('wide-compaction')
    expect(merges(edits).some(([from, to]) => from.length > 1 && to.length > 1)).toBe(true)
  })

  it('split-compaction has outputs of several jobs in one edit', async () => {
    const { edits } = await run('split-compaction')
    const ranges = edits
      .filter(({ tablesRemoved = [] }) => tablesRemoved.length > 1)
      .map(({ tablesAdded = [] }) => new Set(tablesAdded.map(({ table }) => table.number >> 4)))
    // Each job is given more than sixteen numbers, and takes the first ones.
    expect(ranges.some(({ size }) => size > 1)).toBe(true)
  })

  it('move writes no table', async () => {
    const { edits } = await run('move')
    const moved = edits.filter(({ tablesRemoved }) => tablesRemoved !== undefined)
    expect(moved.length).toBe(1)
    expect(moved[0]!.tablesRemoved).toMatchObject([{ level: 0 }])
    expect(moved[0]!.tablesAdded).toMatchObject([
      { level: 6, table: { number: moved[0]!.tablesRemoved![0]!.number } },
    ])
  })

  it('deeper goes from level 0 to a level between, and on to the last', async () => {
    const all = merges((await run('deeper')).edits)
    expect(all.some(([from, to]) => from.includes(0) && to.includes(5))).toBe(true)
    expect(all.some(([from, to]) => from.includes(5) && from.includes(6) && to.includes(6))).toBe(
      true,
    )
  })

  it('time-to-live makes tables whose expiry the manifest knows', async () => {
    const { edits, history } = await run('time-to-live')
    const tables = edits.flatMap(({ tablesAdded = [] }) => tablesAdded.map(({ table }) => table))
    expect(tables.length).toBeGreaterThan(2)
    for (const table of tables) expect(table.latestExpiry).toBeGreaterThanOrEqual(LASTING_MS)
    expect(history.content(2).size).toBeGreaterThan(5)
  })

  it('expiry makes deletions, and merges them with what they hide', async () => {
    const { edits, history } = await run('expiry')
    const flushed = edits.flatMap(({ tablesAdded = [] }) => tablesAdded.map(({ table }) => table))
    expect(flushed.some((table) => table.tombstones === table.entries)).toBe(true)
    const [from, to] = merges(edits).at(-1)!
    expect([from.includes(0), from.includes(6), to]).toEqual([true, true, [6]])
    expect(history.content(2).size).toBeLessThan(history.content(1).size)
  })

  it('expired-table removes a table and puts none in its place', async () => {
    const { edits } = await run('expired-table')
    const removals = edits.filter(({ tablesRemoved }) => tablesRemoved !== undefined)
    expect(removals.some(({ tablesAdded }) => tablesAdded === undefined)).toBe(true)
  })

  it('side-by-side makes the tables of a newer log first, and installs them last', async () => {
    const { steps, edits } = await run('side-by-side')
    const made = steps.flatMap((step) =>
      step.kind === 'create' && /\.sst$/.test(step.at.name)
        ? [Number.parseInt(step.at.name, 10)]
        : [],
    )
    const inOrder = [...made].sort((a, b) => a - b)
    expect(made).not.toEqual(inOrder)
    const flushes = edits.filter(
      ({ snapshot, tablesAdded }) => snapshot !== true && tablesAdded?.[0]?.level === 0,
    )
    expect(flushes.length).toBeGreaterThan(1)
    const versions = flushes.map(({ tablesAdded }) => tablesAdded![0]!.table.largestVersion)
    expect(versions).toEqual([...versions].sort((a, b) => a - b))
    const dropped = flushes.flatMap(({ walsDropped = [] }) => walsDropped)
    expect(dropped).toEqual([...dropped].sort((a, b) => a - b))
  })

  it('flatten leaves tables in the last level alone', async () => {
    const { edits } = await run('put', 'flatten')
    const places = edits.flatMap(({ tablesAdded = [], tablesRemoved = [] }) => [
      ...tablesAdded.map(({ level, table }) => ({ level, number: table.number, change: 1 })),
      ...tablesRemoved.map(({ level, number }) => ({ level, number, change: -1 })),
    ])
    const tables = [0, 1, 2, 3, 4, 5, 6].map((at) =>
      places.filter(({ level }) => level === at).reduce((sum, { change }) => sum + change, 0),
    )
    expect(tables.slice(0, 6)).toEqual([0, 0, 0, 0, 0, 0])
    expect(tables[6]).toBeGreaterThan(0)
  })

  it('separating-flush syncs segments before it names them and a table', async () => {
    const { edits, steps } = await run('separating-flush')
    const [flush] = edits.filter(({ segmentsAdded }) => segmentsAdded !== undefined)
    expect(flush!.segmentsAdded!.length).toBeGreaterThan(1)
    const used = flush!.tablesAdded!.flatMap(({ table }) => table.segments ?? [])
    expect(new Set(used.map(({ number }) => number))).toEqual(
      new Set(flush!.segmentsAdded!.map(({ number }) => number)),
    )
    const created = count(steps, 'create', /\.vlog$/)
    expect(created).toBe(flush!.segmentsAdded!.length)
  })

  it('separated-compaction passes pointers on', async () => {
    const { edits } = await run('separated-compaction')
    const passing = edits.filter(({ tablesRemoved, tablesAdded = [], segmentsAdded }) => {
      const refers = tablesAdded.some(({ table }) => table.segments !== undefined)
      return refers && tablesRemoved !== undefined && segmentsAdded === undefined
    })
    expect(passing.length).toBeGreaterThan(0)
  })

  it.each(['collection', 'busy-collection'])(
    '%s puts tables in the place of tables and drops segments',
    async (name) => {
      const { edits } = await run(name)
      const swaps = edits.filter(({ tablesRemoved, segmentsAdded, segmentsDropped }) => {
        return (
          tablesRemoved !== undefined &&
          segmentsAdded !== undefined &&
          segmentsDropped !== undefined
        )
      })
      expect(swaps.length).toBeGreaterThan(0)
    },
  )

  it('killed-collection leaves the content', async () => {
    const { history, edits } = await run('killed-collection')
    expect(history.last).toBe(2)
    expect(edits.some(({ snapshot, segmentsAdded }) => snapshot === true && segmentsAdded)).toBe(
      true,
    )
  })

  it('settle leaves no log to flush', async () => {
    const { all } = await run('rotation', 'settle')
    const added = all.flatMap(({ walsAdded = [] }) => walsAdded).length
    const dropped = all.flatMap(({ walsDropped = [] }) => walsDropped).length
    expect(added).toBeGreaterThan(1)
    expect(added - dropped).toBe(1)
  })

  it.each(['reopen', 'busy-close', 'read-only'])(
    '%s closes and begins a manifest',
    async (name) => {
      const { steps, edits } = await run('put', name)
      expect(count(steps, 'rename', /^CURRENT$/)).toBe(2)
      expect(edits.some(({ snapshot }) => snapshot === true)).toBe(true)
    },
  )

  it('recovery finds logs that nobody sealed', async () => {
    const { steps, edits, history } = await run('recovery')
    expect(count(steps, 'rename', /^CURRENT$/)).toBe(1)
    const sealed = edits.filter(({ snapshot }) => snapshot === true)
    expect(sealed.flatMap(({ walsSealed = [] }) => walsSealed).length).toBeGreaterThan(0)
    expect(history.last).toBeGreaterThanOrEqual(10)
  })

  it.each(['repair', 'repair-killed'])('%s moves files away', async (name) => {
    const { steps } = await run('put', name)
    expect(count(steps, 'makeDirectory', /^lost\+found/)).toBe(1)
    expect(steps.filter(({ kind }) => kind === 'rename').length).toBeGreaterThan(2)
  })

  it('has a test here', () => {
    const tested = [
      ...['put', 'put-sync', 'del', 'batch', 'batch-sync', 'large', 'burst', 'clear', 'rotation'],
      ...['flush', 'compaction', 'wide-compaction', 'split-compaction', 'move', 'deeper'],
      ...['flatten'],
      ...['settle', 'reopen', 'time-to-live', 'expiry', 'expired-table', 'side-by-side'],
      ...['durable-row', 'filled-rotation', 'filled-recovery'],
      ...['separating-flush', 'separated-compaction', 'collection', 'busy-collection'],
      ...['killed-collection', 'large-value', 'large-values', 'overwritten-value'],
      ...['streamed-value', 'failing-stream', 'large-recovery'],
      ...['busy-close', 'read-only', 'recovery', 'repair', 'repair-killed'],
    ]
    expect(OPERATIONS.map(({ name }) => name).sort()).toEqual(tested.sort())
  })
})
