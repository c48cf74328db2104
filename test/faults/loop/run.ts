// One fault from its strike to the last reopen: what was open must be right, what can go on must go on, and what was
// promised must be there after a close, a kill or a power cut, and after a power cut behind the recovery from it.
import { checkContent, checkDirectory } from '../../crash/check.ts'
import type { Survival } from '../disk.ts'
import { FaultFileSystem, type Start } from '../fault-file-system.ts'
import type { Call } from '../fault-rules.ts'
import { type FaultCase, faultOf, type Strike } from './cases.ts'
import { FaultSession } from './fault-session.ts'
import { Ledger } from './ledger.ts'
import { FAULT_OPERATIONS, type FaultOperation } from './operations.ts'

/** A database to begin with, and what the oracle knows of it. */
interface Base {
  readonly start: Start
  readonly ledger: Ledger
}

/** What operations start from; made once. */
export type World = { readonly seed: number } & {
  readonly [Name in FaultOperation['start']]: Base
}

export interface Struck {
  readonly struck: boolean
  readonly secondStruck: boolean
  /** Codes of what was refused. */
  readonly refusals: readonly string[]
}

const UNSYNCED: Survival = { rule: 'strict', survives: () => 'none' }
const CACHED: Survival = { rule: 'strict', survives: () => 'all' }
const LIMIT_MS = 20_000

export async function makeWorld(seed: number): Promise<World> {
  const fs = new FaultFileSystem()
  const session = new FaultSession({ fs, ledger: new Ledger(), seed, name: 'base' })
  await session.open()
  for (const name of ['compaction', 'flush', 'put-sync', 'batch', 'batch-sync']) {
    await operationOf(name).run(session)
  }
  const batch = [{ type: 'put', key: 'killed', value: 'a commit of the log' }] as const
  await session.commit(batch, 'none')
  const killed = { start: { steps: fs.steps.slice() }, ledger: session.ledger.copy() }
  await session.close()
  require(session.violations.length === 0, `making the base: ${session.violations[0]}`)
  const closed = { start: { files: fs.image(CACHED) }, ledger: session.ledger.copy() }
  return { seed, empty: { start: {}, ledger: new Ledger() }, closed, killed }
}

export function operationOf(name: string): FaultOperation {
  const found = FAULT_OPERATIONS.find((operation) => operation.name === name)
  if (found === undefined) throw new Error(`there is no operation '${name}'`)
  return found
}

/** The calls an operation makes when nothing fails. */
export async function callsOf(world: World, operation: FaultOperation): Promise<Call[]> {
  const session = await begin(world, operation)
  const from = session.fs.calls.length
  await operation.run(session)
  await session.join()
  const calls = session.fs.calls.slice(from)
  await session.close()
  require(session.violations.length === 0, `${operation.name}: ${session.violations[0]}`)
  return calls
}

/** Throws when anything but a legal outcome is seen. */
export async function runFault(world: World, fault: FaultCase): Promise<Struck> {
  const operation = operationOf(fault.operation)
  const session = await begin(world, operation)
  const { fs } = session
  session.damageAllowed = [fault.first, fault.second].some(looksLikeDamage)
  try {
    const struck = arm(fs, fault)
    await within(operation.run(session).then(() => session.join()))
    const result = { ...struck(), refusals: session.refusals.slice() }
    fs.heal()
    fs.watch(() => undefined)
    await within(goOn(session, fault, world[operation.start].start))
    return result
  } finally {
    // A failed check must not keep the heap.
    await session.close()
  }
}

async function begin(world: World, operation: FaultOperation): Promise<FaultSession> {
  const { start, ledger } = world[operation.start]
  const fs = new FaultFileSystem(start)
  const { seed } = world
  const session = new FaultSession({ fs, ledger: ledger.copy(), seed, name: operation.name })
  if (operation.opened) await session.open()
  return session
}

/** Returns what tells whether the faults struck. */
function arm(fs: FaultFileSystem, { first, second }: FaultCase): () => Omit<Struck, 'refusals'> {
  const injection = fs.inject(faultOf(first))
  const struck = (): boolean => injection.matches >= first.nth
  let later: { readonly matches: number } | undefined
  fs.watch(() => {
    if (second !== undefined && later === undefined && struck()) later = fs.inject(faultOf(second))
  })
  const secondStruck = (): boolean =>
    second !== undefined && later !== undefined && later.matches >= second.nth
  return () => ({ struck: struck(), secondStruck: secondStruck() })
}

/** What follows once the disk is well again. */
async function goOn(session: FaultSession, fault: FaultCase, start: Start): Promise<void> {
  const { fs, ledger } = session
  if (session.opened) {
    checkLive(session)
    await writeOn(session, fault)
    const after = ledger.live()
    checkContent(session.engine, after.history, after.bounds)
  }
  const steps = fs.steps.slice()
  const cut = fs.image(UNSYNCED)
  const before = ledger.copy()
  const refused = session.refusals.length
  const toldBefore = session.poisoned
  await session.close()
  const [violation] = session.violations
  require(violation === undefined, violation ?? '')
  // Poisoned by work that nobody waited for: then the close is the first who can say so.
  const [refusal] = session.refusals.slice(refused)
  const first = refusal === 'SETT_POISONED' && !toldBefore
  require(refusal === undefined || first, `close ends with ${refusal}`)
  require(fs.openHandles === 0, `${fs.openHandles} files are open after the close`)
  const lives = session.callsByLife()
  for (const calls of lives) requireNoSecondSync(calls)
  // What a failed sync lost is gone for whoever opens next, whatever the cache still shows.
  const lossy = lives.flat().some(isFailedSync)
  const killed = { files: start.files ?? new Map(), steps }
  if (fault.ending === 'close') await liveAgain(session, { fs, ledger, power: lossy })
  else if (fault.ending === 'power') {
    await liveAgain(session, {
      fs: new FaultFileSystem({ files: cut }),
      ledger: before,
      power: true,
    })
  } else {
    await liveAgain(session, { fs: new FaultFileSystem(killed), ledger: before, power: lossy })
  }
}

/** Shows what was acked; a reopen among the operations may have brought back what nobody could know. */
function checkLive(session: FaultSession): void {
  const { engine, ledger } = session
  const lives = session.callsByLife()
  const reopened = lives.length > 1
  const danger = lives.flat().some(isFailedSync) ? 'power' : 'kill'
  const { history, bounds } = reopened ? ledger.after(danger) : ledger.live()
  const found = checkContent(engine, history, bounds)
  if (reopened) ledger.found(found)
}

/** Writes go on by themselves, unless a sync failed or nobody knows what is on disk. */
async function writeOn(session: FaultSession, fault: FaultCase): Promise<void> {
  const operations = [
    { type: 'put', key: 'healed', value: 'written on a disk that is well' },
  ] as const
  await session.commit(operations, 'sync')
  const acked = session.ledger.acked.at(-1)?.operations === operations
  const life = session.callsByLife().at(-1)!
  if (life.some(isFailedSync)) require(!acked, 'a commit is acked after a failed sync')
  else require(acked || mayPoison(fault), `no writing on: ${session.refusals.at(-1)}`)
  require(acked !== session.poisoned, `refused, but not for good: ${session.refusals.at(-1)}`)
}

interface Next {
  readonly fs: FaultFileSystem
  readonly ledger: Ledger
  /** What only the cache had may be gone. */
  readonly power: boolean
}

/** Opens what is left, asks the oracle, writes; and once more after a power cut behind that. */
async function liveAgain({ random }: FaultSession, { fs, ledger, power }: Next): Promise<void> {
  const seed = random.u32()
  const session = new FaultSession({ fs, ledger, seed, name: 'after' })
  await openWell(session, power)
  const release = holdManifest(fs)
  await session.commit([{ type: 'put', key: 'again', value: `after it all ${seed}` }], 'sync')
  const cut = fs.image(UNSYNCED)
  const last = session.ledger.copy()
  release()
  await closeWell(session)
  const files = new FaultFileSystem({ files: cut })
  const end = new FaultSession({ fs: files, ledger: last, seed, name: 'end' })
  await openWell(end, true)
  await closeWell(end)
}

/** Until it is let go, new commits stand beside what the recovery has not put into tables yet. */
function holdManifest(fs: FaultFileSystem): () => void {
  let open = (): void => undefined
  const until = new Promise<void>((resolve) => {
    open = resolve
  })
  fs.inject({ on: 'sync', path: /MANIFEST/, until, forever: true })
  return () => {
    fs.heal()
    open()
  }
}

async function openWell(session: FaultSession, power: boolean): Promise<void> {
  await session.open()
  requireWell(session)
  const { history, bounds } = session.ledger.after(power ? 'power' : 'kill')
  try {
    session.ledger.found(checkContent(session.engine, history, bounds))
  } catch (error) {
    // The heap is used again by the next session.
    await session.close()
    throw error
  }
}

async function closeWell(session: FaultSession): Promise<void> {
  await session.close()
  requireWell(session)
  checkDirectory(session.fs)
  require(session.fs.openHandles === 0, `${session.fs.openHandles} files are open at the end`)
}

function requireWell({ refusals, violations }: FaultSession): void {
  require(violations.length === 0, `on a disk that is well: ${violations[0]}`)
  require(refusals.length === 0, `${refusals[0]} on a disk that is well`)
}

function requireNoSecondSync(calls: readonly Call[]): void {
  /** When it was answered: one made before that could not know. */
  const failed = new Map<string, number>()
  for (const call of calls) {
    if (call.kind !== 'sync' && call.kind !== 'syncDirectory') continue
    const what = call.kind === 'sync' ? `file ${call.file} ${call.path}` : call.path
    require(call.made <
      (failed.get(what) ?? Infinity), `a second sync of ${what} after one that failed`)
    if (isFailedSync(call) && !failed.has(what)) failed.set(what, call.failedAt!)
  }
}

/** Whatever a sync answers is final; a directory that cannot be opened was not synced. */
function isFailedSync({ kind, error }: Call): boolean {
  return kind === 'sync' ? error !== undefined : kind === 'syncDirectory' && error === 'EIO'
}

/** One fault after which nobody knows what the disk holds, or where it is. */
function mayPoison({ first, second }: FaultCase): boolean {
  const { kind, errno } = first
  return second !== undefined || errno === 'ENOENT' || (kind === 'write' && errno !== 'ENOSPC')
}

function looksLikeDamage(strike: Strike | undefined): boolean {
  return strike?.errno === 'short' || strike?.errno === 'ENOENT'
}

async function within(work: Promise<void>): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error('it never ends')), LIMIT_MS)
  })
  try {
    await Promise.race([work, late])
  } finally {
    clearTimeout(timer)
  }
}

function require(holds: boolean, otherwise: string): asserts holds {
  if (!holds) throw new Error(otherwise)
}
