// Power cuts at random moments of a random workload, also while recovering from one: what was promised is there, and
// what is there is a beginning of the history.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import { openEngine } from '../../../src/engine/open.ts'
import type { Durability, WriteOperation } from '../../../src/engine/types.ts'
import {
  type Fate,
  type RecordingFileSystem,
  recordingFileSystem,
} from '../../support/recording-file-system.ts'

const SEED = Number(process.env['SETT_CRASH_SEED'] ?? Date.now() % 1_000_000)
const CUTS = 24
const COMMITS = 130
const FATES: readonly Fate[] = ['kept', 'dropped', 'torn', 'torn']
const options = resolveOptions({
  workers: 0,
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  blockSize: 512,
  tableSize: 16_384,
  l0CompactTrigger: 2,
  l0StallTrigger: 6,
})

function randomOf(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let t = state
    t = Math.imul(t ^ (t >>> 15), t | 1)
    t ^= t + Math.imul(t ^ (t >>> 7), t | 61)
    return ((t ^ (t >>> 14)) >>> 0) / 4_294_967_296
  }
}

interface Ack {
  readonly commit: number
  readonly durability: Durability
  /** Steps of the file system before the promise resolved. */
  readonly steps: number
}

/** The history: what commit n does, and what is there after it. */
class History {
  readonly #random: () => number
  /** After commit n, at index n. */
  readonly states: ReadonlyMap<string, string>[] = [new Map()]

  constructor(random: () => number) {
    this.#random = random
  }

  get last(): number {
    return this.states.length - 1
  }

  /** What a crash lost never happened. */
  cutTo(commit: number): void {
    this.states.length = commit + 1
  }

  next(): WriteOperation[] {
    const random = this.#random
    const commit = this.states.length
    const operations: WriteOperation[] = [{ type: 'put', key: 'commit', value: String(commit) }]
    for (let i = Math.floor(random() * 4); i >= 0; i--) {
      const key = `key ${Math.floor(random() * 60)}`
      if (random() < 0.2) operations.push({ type: 'del', key })
      else {
        const long = random() < 0.02 ? 20_000 : 900
        const value = `${commit} ${'x'.repeat(Math.floor(random() * long))}`
        operations.push({ type: 'put', key, value })
      }
    }
    const state = new Map(this.states.at(-1))
    for (const { type, key, value } of operations) {
      if (type === 'del') state.delete(key as string)
      else state.set(key as string, value as string)
    }
    this.states.push(state)
    return operations
  }
}

function open(fs: RecordingFileSystem, durability: Durability): Promise<StorageEngine> {
  return openEngine('/db', { ...options, durability }, { fs })
}

async function turns(count: number): Promise<void> {
  for (let i = 0; i < count; i++) await new Promise((resolve) => setImmediate(resolve))
}

/** Commits of the history, some awaited, with flushes and compactions thrown in. */
async function write(
  engine: StorageEngine,
  fs: RecordingFileSystem,
  history: History,
  work: { readonly commits: number; readonly mode: Durability | 'mixed'; readonly acks: Ack[] },
  random: () => number,
): Promise<void> {
  const pending: Promise<unknown>[] = []
  for (let i = 0; i < work.commits; i++) {
    const durability = work.mode === 'mixed' ? (random() < 0.3 ? 'sync' : 'none') : work.mode
    const operations = history.next()
    const commit = history.last
    const done = engine
      .batch(operations, typeof durability === 'object' ? {} : { durability })
      .then(() => void work.acks.push({ commit, durability, steps: fs.steps }))
    pending.push(done)
    if (random() < 0.3) await done
    if (random() < 0.1) await turns(3)
    if (random() < 0.03) pending.push(engine.flush())
    if (random() < 0.02) await engine.compactRange(undefined, undefined)
  }
  await Promise.all(pending)
}

/** The newest commit that must be there after a cut. */
function promised(acks: readonly Ack[], cut: number, fate: Fate): number {
  return acks.reduce((most, { commit, durability, steps }) => {
    const counts = steps <= cut && (fate === 'kept' || durability === 'sync')
    return counts ? Math.max(most, commit) : most
  }, 0)
}

/** Requires that what is there is what some commit left, and returns that commit. */
function requirePrefix(engine: StorageEngine, history: History): number {
  const commit = Number(engine.getSync('commit', undefined, 'utf8') ?? 0)
  const reader = engine.range({
    keys: true,
    values: true,
    keyForm: 'utf8',
    valueForm: 'utf8',
    version: engine.version,
  })
  const found = new Map(reader.next(1000) as [string, string][])
  expect(commit).toBeLessThanOrEqual(history.last)
  expect([...found].sort()).toEqual([...history.states[commit]!].sort())
  return commit
}

async function survives(seed: number, mode: Durability | 'mixed'): Promise<void> {
  const random = randomOf(seed)
  const usual = mode === 'mixed' ? 'none' : mode
  const history = new History(random)
  const acks: Ack[] = []
  const fs = recordingFileSystem('/db')
  for (let round = 0; round < 3; round++) {
    const engine = await open(fs, usual)
    await write(engine, fs, history, { commits: COMMITS, mode, acks }, random)
    if (round < 2) await engine.close()
    else await engine.settle()
  }
  for (let i = 0; i < CUTS; i++) {
    const cut = 1 + Math.floor(random() * fs.steps)
    const fate = FATES[i % FATES.length]!
    const files = fs.image(cut, fate, random)
    const again = new History(random)
    again.states.push(...history.states.slice(1))
    await survivesTwice(files, again, { least: promised(acks, cut, fate), mode, usual }, random)
  }
}

interface Expected {
  readonly least: number
  readonly mode: Durability | 'mixed'
  readonly usual: Durability
}

/** Opens an image, goes on writing, and cuts again anywhere: also in the middle of the recovery. */
async function survivesTwice(
  files: ReadonlyMap<string, Buffer>,
  history: History,
  { least, mode, usual }: Expected,
  random: () => number,
): Promise<void> {
  const fs = recordingFileSystem('/db', files)
  const first = fs.steps
  const engine = await open(fs, usual)
  const opened = fs.steps
  const recovered = requirePrefix(engine, history)
  expect(recovered).toBeGreaterThanOrEqual(least)
  const before = new History(random)
  before.states.push(...history.states.slice(1))
  history.cutTo(recovered)
  const acks: Ack[] = []
  await write(engine, fs, history, { commits: 12, mode, acks }, random)
  await engine.settle()
  const all = fs.steps
  for (const fate of FATES) {
    const inRecovery = random() < 0.5
    const [from, to] = inRecovery ? [first, opened] : [opened, all]
    const cut = from + Math.floor(random() * (to - from + 1))
    const image = recordingFileSystem('/db', fs.image(cut, fate, random))
    const last = await open(image, usual)
    const wanted = cut >= opened ? Math.max(recovered, promised(acks, cut, fate)) : least
    const found = requirePrefix(last, cut >= opened ? history : before)
    expect(found).toBeGreaterThanOrEqual(wanted)
    await last.close()
  }
  await engine.close()
}

describe(`power cuts (SETT_CRASH_SEED=${SEED})`, () => {
  const modes: readonly (Durability | 'mixed')[] = ['sync', { interval: 1 }, 'none', 'mixed']
  it.each(modes)(
    'leave what was promised, and a prefix: durability %j',
    async (mode) => {
      await survives(SEED, mode)
    },
    20_000,
  )
})
