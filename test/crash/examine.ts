// Examines one state a crash left: recovers, asks the oracle, lives on (writes, closes, reopens, asks again), and
// crashes again, both inside that recovery and in the second life. Some states are looked at first without writing,
// and some are repaired first: both must show what the recovery keeps.
import { createHash } from 'node:crypto'
import { SettError } from '../../src/base/errors.ts'
import { Disk, type Step } from '../faults/disk.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { prng } from '../model/prng.ts'
import { checkContent, checkDirectory } from './check.ts'
import type { Bounds, History } from './history.ts'
import { hashOf, Session, type Settings } from './session.ts'
import { type CrashState, crashStates } from './survivals.ts'

/** A life that can be cut: its file system's log, what it began with, and what the oracle knows. */
export interface Life {
  readonly files: ReadonlyMap<string, Buffer>
  readonly steps: readonly Step[]
  readonly history: History
  readonly settings: Settings
}

export interface Counts {
  /** Workloads run. */
  workloads: number
  /** States built. */
  states: number
  /** Those unlike all before; only they are recovered. */
  distinct: number
  /** Recoveries that were checked. */
  recovered: number
  /** States of crashes inside a recovery or in a life after one. */
  deeper: number
}

export function noCounts(): Counts {
  return { workloads: 0, states: 0, distinct: 0, recovered: 0, deeper: 0 }
}

export interface Examiner {
  readonly seed: number
  readonly counts: Counts
  /** Fingerprints of what was examined. */
  readonly seen: Set<string>
}

export class CrashFailure extends Error {
  /** Where to cut to see it again. */
  readonly path: string

  constructor(path: string, cause: unknown) {
    super(cause instanceof Error ? cause.message : String(cause), { cause })
    this.path = path
  }
}

const DEPTH_MOST = 3
/** Three states in so many are read again after the close: the next crash of the others may be there. */
const READ_AGAIN = 5
/** One state in so many is opened read-only first; one in so many is repaired first. */
const LOOKED_AT = 6
const REPAIRED = 8
/** One crash in a second life in so many is followed by a third. */
const THIRD_LIFE = 4

/** Where in the chain of crashes this one is. */
export interface Chain {
  /** `cut:state>cut:state…` up to here. */
  readonly path: string
  readonly depth: number
  /** The rest of a path to be replayed; undefined: cut where chance says. */
  readonly rest?: readonly string[]
}

/** `disk`: that of the life, `cut` steps in. */
export async function examineState(
  examiner: Examiner,
  life: Life,
  at: { readonly disk: Disk; readonly cut: number; readonly state: CrashState },
  chain: Chain,
): Promise<void> {
  const { disk, cut, state } = at
  const { counts, seen, seed } = examiner
  counts.states += 1
  if (chain.depth > 1) counts.deeper += 1
  const killed = state.survival === 'killed'
  const survives = state.survival === 'killed' ? undefined : state.survival
  const files = survives === undefined ? life.files : disk.image(survives)
  const steps = killed ? life.steps.slice(0, cut) : []
  const bounds = life.history.bounds(cut, killed ? 'kill' : 'power')
  const fingerprint = `${killed ? `killed at ${cut} ${chain.path}` : digestOf(files)} ${bounds.least}-${bounds.most}`
  if (seen.has(fingerprint)) return
  seen.add(fingerprint)
  counts.distinct += 1
  const path = chain.path === '' ? `${cut}:${state.label}` : `${chain.path}>${cut}:${state.label}`
  const fs = new FaultFileSystem({ files, steps })
  const { settings, history } = life
  const session = new Session({ fs, seed, name: path, settings, history })
  const killedAt = killed ? cut : undefined
  const next = await secondLife(examiner, session, { bounds, path, killedAt })
  const after: Life = { files, steps: fs.steps.slice(), history: next.history, settings }
  await crashAgain(examiner, after, { ...next, start: steps.length }, { ...chain, path })
}

interface Expected {
  readonly bounds: Bounds
  readonly path: string
  /** Where the log goes on after a kill; undefined: it begins anew. */
  readonly killedAt: number | undefined
}

interface Lived {
  readonly history: History
  /** Steps when it had recovered, and when it was closed. */
  readonly opened: number
  readonly closed: number
}

async function secondLife(
  { counts }: Examiner,
  session: Session,
  { bounds, path, killedAt }: Expected,
): Promise<Lived> {
  const { fs } = session
  try {
    const allowed = await recover(session, bounds, hashOf(path))
    const opened = fs.steps.length
    await closingOnError(session, async () => {
      const commit = checkContent(session.engine, session.history, allowed)
      counts.recovered += 1
      session.history = session.history.after(commit, killedAt)
      session.history.promise(commit, 'power', killedAt === undefined ? 0 : opened)
      await write(session, hashOf(path))
    })
    const { history } = session
    await session.close()
    const closed = fs.steps.length
    checkDirectory(fs)
    if (hashOf(path) % READ_AGAIN < 3) await readAgain(session)
    return { history, opened, closed }
  } catch (error) {
    throw new CrashFailure(path, error)
  }
}

/** Opens it; returns what may be found then. */
async function recover(session: Session, bounds: Bounds, luck: number): Promise<Bounds> {
  let allowed = bounds
  if (luck % LOOKED_AT === 0) {
    const commit = await session.look(bounds)
    allowed = { least: commit, most: commit }
  }
  if (luck % REPAIRED === 1) {
    await session.repair().catch((error: unknown) => {
      const nothing = error instanceof SettError && error.code === 'SETT_NOT_A_DATABASE'
      if (!nothing || bounds.least > 0) throw error
    })
  }
  await session.open()
  return allowed
}

async function readAgain(session: Session): Promise<void> {
  const { history, fs } = session
  await session.open()
  await closingOnError(session, async () => {
    checkContent(session.engine, history, { least: history.last, most: history.last })
  })
  await session.close()
  checkDirectory(fs)
}

/** A failed check must not keep the heap: the next sessions use it again. */
async function closingOnError(session: Session, work: () => Promise<void>): Promise<void> {
  try {
    await work()
  } catch (error) {
    // What failed first is what counts.
    await session.engine.close().catch(() => undefined)
    throw error
  }
}

/** What a second life does: acks of both kinds, now and then a flush. Every other one starts on a disk that is slow to
 * take the manifest, so that new commits stand beside what recovery has not put away yet. */
async function write(session: Session, luck: number): Promise<void> {
  const commit = (n: number, durability: 'sync' | 'none'): Promise<void> =>
    session.commit(
      [
        { type: 'put', key: `later ${n}`, value: `${luck} ${'w'.repeat(luck % 600)}` },
        { type: 'put', key: 'key 01', value: `${n}` },
        { type: 'del', key: `key ${String(luck % 24).padStart(2, '0')}` },
      ],
      durability,
    )
  let release = (): void => undefined
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  if (luck % 2 === 0) session.fs.inject({ on: 'sync', path: /MANIFEST/, until, forever: true })
  await commit(1, luck % 3 === 0 ? 'none' : 'sync')
  await commit(2, 'sync')
  release()
  session.fs.heal()
  if (luck % 5 === 0) await session.flush()
  await commit(3, 'none')
}

/** One crash inside the recovery, one in the life after it. */
async function crashAgain(
  examiner: Examiner,
  life: Life,
  moments: Lived & { readonly start: number },
  chain: Chain,
): Promise<void> {
  const { start, opened, closed } = moments
  if (chain.rest !== undefined) {
    if (chain.rest.length > 0) await replayCrash(examiner, life, chain)
    return
  }
  if (chain.depth >= DEPTH_MOST) return
  const random = prng(examiner.seed, hashOf(chain.path))
  if (chain.depth > 1 && random.below(THIRD_LIFE) !== 0) return
  for (const [from, to] of [
    [start, opened],
    [opened, closed],
  ] as const) {
    const cut = from + random.below(to - from + 1)
    const disk = diskAt(life, cut)
    const states = crashStates(disk, examiner.seed + cut)
    const state = states[random.below(states.length)]!
    await examineState(examiner, life, { disk, cut, state }, { ...chain, depth: chain.depth + 1 })
  }
}

/** Examines the state the rest of the path names. */
export async function replayCrash(examiner: Examiner, life: Life, chain: Chain): Promise<void> {
  const [here, ...rest] = chain.rest ?? []
  const [cutText, label] = (here ?? '').split(':')
  const cut = Number(cutText)
  const disk = diskAt(life, cut)
  const state = crashStates(disk, examiner.seed + cut).find((other) => other.label === label)
  if (state === undefined) throw new Error(`there is no state ${here}`)
  await examineState(
    examiner,
    life,
    { disk, cut, state },
    { path: chain.path, depth: chain.depth + 1, rest },
  )
}

function diskAt({ files, steps }: Life, cut: number): Disk {
  const disk = new Disk(files)
  for (const step of steps.slice(0, cut)) disk.apply(step)
  return disk
}

function digestOf(files: ReadonlyMap<string, Buffer>): string {
  const digests = [...files.keys()]
    .sort()
    .map((path) => `${path} ${digestOfFile(files.get(path)!)}`)
  return createHash('sha1').update(digests.join()).digest('base64')
}

/** What is durable is the same buffer in every state. */
const digests = new WeakMap<Buffer, string>()

function digestOfFile(bytes: Buffer): string {
  let digest = digests.get(bytes)
  if (digest === undefined) {
    digest = createHash('sha1').update(bytes).digest('base64')
    digests.set(bytes, digest)
  }
  return digest
}
