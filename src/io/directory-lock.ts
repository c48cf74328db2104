// One writer per directory, or any number of readers. The lock is the kernel's, on an open descriptor, so it
// ends with its owner however that ends. What is locked is LOCK, when it exists. A reader writes nothing, so where
// LOCK is missing (a copied database, a read-only medium) it locks the directory itself; and whoever is about to
// create LOCK beside a CURRENT first takes the directory exclusively: LOCK never appears under a reader's feet.
// Where the kernel cannot be asked, substitute-lock.ts stands in.
import { hostname } from 'node:os'
import type { Clock } from '../base/clock.ts'
import { SettError } from '../base/errors.ts'
import { currentPath, lockOwnerPath, lockPath } from './file-names.ts'
import type { FileSystem } from './file-system.ts'
import {
  isLocalVolume,
  isRealLock,
  isShownLocked,
  type LockMode,
  type LockTool,
  lockUnavailable,
  openLocked,
  SYSTEM_TOOLS,
} from './kernel-lock.ts'
import { namedHolder, unnamedHolder } from './lock-holder.ts'
import { writeRecord } from './lock-record.ts'
import { lockFiles } from './node-file-system.ts'
import {
  type Claim,
  claimAt,
  lockBySubstitute,
  type Substitute,
  SYSTEM_SUBSTITUTES,
} from './substitute-lock.ts'

export type { LockMode } from './kernel-lock.ts'

/** Windows cannot open one; there a reader needs LOCK, so a writer may create it at any time. */
const CAN_LOCK_DIRECTORIES: boolean = process.platform !== 'win32'
const FIRST_DELAY_MS = 4
const LONGEST_DELAY_MS = 250
/** A holder writes its name a moment after it took the lock; whoever is refused waits so often for it. */
const NAME_TRIES = 6

export interface DirectoryLock {
  /** Throws SETT_POISONED when the directory is no longer ours: it, or the lock in it, was removed or replaced. */
  check(): void
  /** Idempotent. */
  release(): void
}

/** What a system has to lock with. */
export interface LockMeansAtHand {
  readonly tools: readonly LockTool[]
  readonly substitutes: readonly Substitute[]
  /** Whether a volume's locks are known to be real; those of others are put to the test. */
  readonly isLocal: (path: string) => boolean
}

const SYSTEM_MEANS: LockMeansAtHand = {
  tools: SYSTEM_TOOLS,
  substitutes: SYSTEM_SUBSTITUTES,
  isLocal: isLocalVolume,
}

export interface LockRequest {
  readonly fs: FileSystem
  readonly registry: LockRegistry
  /** Must exist, unless the file system is in memory, where there is nobody to lock out. */
  readonly directory: string
  readonly mode: LockMode
  /** How long to go on trying while another holds the lock; 0 tries once. */
  readonly timeoutMs: number
  readonly clock: Clock
  /** Only tests give their own. */
  readonly means?: LockMeansAtHand
}

/** Who holds which directory in this process: refuses at once, and without asking the kernel. */
export class LockRegistry {
  readonly #held = new Map<string, { readonly mode: LockMode; count: number }>()

  /** False when a holder of this process is in the way. */
  enter(identity: string, mode: LockMode): boolean {
    const held = this.#held.get(identity)
    if (held === undefined) {
      this.#held.set(identity, { mode, count: 1 })
      return true
    }
    if (mode === 'exclusive' || held.mode === 'exclusive') return false
    held.count++
    return true
  }

  leave(identity: string): void {
    const held = this.#held.get(identity)
    if (held === undefined) return
    held.count--
    if (held.count === 0) this.#held.delete(identity)
  }
}

const NOTHING_HELD: DirectoryLock = { check: () => undefined, release: () => undefined }

/** Resolves once the directory is ours; LEVEL_LOCKED when it is not after `timeoutMs`. */
export async function acquireDirectoryLock(request: LockRequest): Promise<DirectoryLock> {
  if (request.fs.inMemory) return NOTHING_HELD
  const { clock, timeoutMs } = request
  const started = clock.monotonicMs()
  for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
    const outcome = await tryOnce(request)
    if (isLock(outcome)) return outcome
    const left = timeoutMs - (clock.monotonicMs() - started)
    if (left <= 0) throw await refusal(request, outcome)
    await pause(clock, Math.min(delay, left))
  }
}

/** For an opener that goes without a lock: still notices when the directory goes away. */
export function watchDirectory(fs: FileSystem, directory: string): DirectoryLock {
  if (fs.inMemory) return NOTHING_HELD
  const identity = lockFiles.identitySync(directory)
  return { check: () => checkDirectory(directory, identity), release: () => undefined }
}

/** Who was in the way. */
type Obstacle = 'this process' | 'held' | Claim

function isLock(outcome: DirectoryLock | Obstacle): outcome is DirectoryLock {
  return typeof outcome === 'object' && 'release' in outcome
}

/** The directory taken by whatever means. */
interface Hold {
  /** A writer's LOCK or LOCK.owner, which must stay in its place. */
  readonly record: { readonly path: string; readonly descriptor: number } | undefined
  release(): void
}

async function tryOnce(request: LockRequest): Promise<DirectoryLock | Obstacle> {
  const { directory, mode, registry } = request
  const identity = lockFiles.identitySync(directory)
  if (identity === undefined) {
    throw new SettError(
      'SETT_NOT_A_DATABASE',
      `There is no directory ${directory}. Check the path, or open it with createIfMissing.`,
    )
  }
  if (!registry.enter(identity, mode)) return 'this process'
  let hold: Hold | undefined
  try {
    const outcome = await take(request)
    if (outcome === 'held' || 'claim' in outcome) return outcome
    hold = outcome
    return new HeldLock(directory, identity, hold, () => registry.leave(identity))
  } finally {
    if (hold === undefined) registry.leave(identity)
  }
}

class HeldLock implements DirectoryLock {
  readonly #directory: string
  readonly #identity: string
  readonly #leave: () => void
  #hold: Hold | undefined

  constructor(directory: string, identity: string, hold: Hold, leave: () => void) {
    this.#directory = directory
    this.#identity = identity
    this.#hold = hold
    this.#leave = leave
  }

  check(): void {
    checkDirectory(this.#directory, this.#identity)
    const record = this.#hold?.record
    if (record === undefined) return
    // An open file keeps its inode from being given to another, so equal means the same file.
    if (lockFiles.identitySync(record.path) === lockFiles.identitySync(record.descriptor)) return
    throw lost(`${record.path} was removed or replaced`)
  }

  release(): void {
    const hold = this.#hold
    if (hold === undefined) return
    this.#hold = undefined
    try {
      hold.release()
    } finally {
      this.#leave()
    }
  }
}

function checkDirectory(directory: string, identity: string | undefined): void {
  if (lockFiles.identitySync(directory) === identity) return
  throw lost(`The directory ${directory} was removed or replaced`)
}

function lost(what: string): SettError {
  return new SettError(
    'SETT_POISONED',
    `${what} while the database was open, so another process may have it by now. This one writes and deletes ` +
      'nothing more in it. Close it, find out who removed the file, and open it again.',
  )
}

async function take(request: LockRequest): Promise<Hold | Claim | 'held'> {
  const { directory, mode, clock, means = SYSTEM_MEANS } = request
  const descriptor = mode === 'exclusive' ? await lockToWrite(request) : await lockToRead(request)
  if (descriptor === 'held') return 'held'
  if (typeof descriptor === 'number') return kernelHold(request, descriptor)
  if (!means.isLocal(directory)) throw notReal(directory)
  const { substitutes } = means
  const hold = await lockBySubstitute({ directory, mode, clock, substitutes })
  if (hold === 'held' || 'claim' in hold) return hold
  const { owner, release } = hold
  const record =
    owner === undefined ? undefined : { path: lockOwnerPath(directory), descriptor: owner }
  return { record, release }
}

/** Holders by other means are seen by their claim only. */
function kernelHold({ directory, mode, clock }: LockRequest, descriptor: number): Hold | Claim {
  const writes = mode === 'exclusive'
  const owner = lockOwnerPath(directory)
  const release = (): void => {
    try {
      // A record left behind would name the wrong owner while readers hold the lock.
      if (writes) lockFiles.replaceTextSync(descriptor, '')
    } finally {
      lockFiles.closeSync(descriptor)
    }
  }
  let ours = false
  try {
    if (writes) writeRecord(descriptor, clock, 'kernel')
    const claim = claimAt(owner)
    if (claim !== undefined) return claim
    if (writes) lockFiles.removeSync(owner)
    ours = true
  } finally {
    if (!ours) release()
  }
  return { record: writes ? { path: lockPath(directory), descriptor } : undefined, release }
}

async function lockToWrite(request: LockRequest): Promise<number | 'held' | 'no tool'> {
  const { directory, fs } = request
  let guard: number | 'held' | 'no tool' | undefined
  try {
    if (
      CAN_LOCK_DIRECTORIES &&
      fs.statSync(lockPath(directory)) === undefined &&
      fs.statSync(currentPath(directory)) !== undefined
    ) {
      guard = await lockWhole(request)
      if (typeof guard === 'string') return guard
    }
    return await lockFile(request, 'write')
  } finally {
    if (typeof guard === 'number') lockFiles.closeSync(guard)
  }
}

async function lockToRead(request: LockRequest): Promise<number | 'held' | 'no tool'> {
  const { directory, fs } = request
  const path = lockPath(directory)
  if (fs.statSync(path) !== undefined) return lockFile(request, 'read')
  if (fs.statSync(currentPath(directory)) === undefined) {
    throw new SettError(
      'SETT_NOT_A_DATABASE',
      `${directory} holds no database to read: it has neither CURRENT nor LOCK. ` +
        'Check the path, or open it without readOnly to create a database there.',
    )
  }
  const guard = await lockWhole(request)
  if (typeof guard === 'string' || fs.statSync(path) === undefined) return guard
  // A writer created LOCK between the two looks: LOCK counts from now on.
  lockFiles.closeSync(guard)
  return lockFile(request, 'read')
}

/** The directory itself, in place of LOCK. */
async function lockWhole({
  directory: path,
  mode,
  means = SYSTEM_MEANS,
}: LockRequest): Promise<number | 'held' | 'no tool'> {
  if (!CAN_LOCK_DIRECTORIES) {
    throw lockUnavailable(`${path} has no LOCK, which a reader does not create and a writer does`)
  }
  return openLocked({ path, kind: 'directory', mode, tools: means.tools })
}

async function lockFile(
  request: LockRequest,
  kind: 'read' | 'write',
): Promise<number | 'held' | 'no tool'> {
  const { directory, mode, means = SYSTEM_MEANS } = request
  const { tools } = means
  const path = lockPath(directory)
  const descriptor = await openLocked({ path, kind, mode, tools })
  if (typeof descriptor === 'string') return descriptor
  let ours = false
  try {
    // Removed or replaced while we waited for it: a lock on that file excludes nobody.
    if (lockFiles.identitySync(descriptor) !== lockFiles.identitySync(path)) return 'held'
    const shown = mode === 'shared' || (means.isLocal(path) && isShownLocked(descriptor))
    if (!shown && !(await isRealLock(path, tools))) throw notReal(directory)
    ours = true
    return descriptor
  } finally {
    if (!ours) lockFiles.closeSync(descriptor)
  }
}

function notReal(directory: string): SettError {
  return new SettError(
    'SETT_LOCK_UNAVAILABLE',
    `The file system of ${directory} grants one lock twice, as network file systems do, or nothing shows that ` +
      'it does not, so it cannot keep a second writer out. Move the database to a local disk, or pass ' +
      "lock: 'none' and see to it that only one process opens it.",
  )
}

async function refusal(
  { directory, mode, clock }: LockRequest,
  obstacle: Obstacle,
): Promise<SettError> {
  const advice =
    mode === 'exclusive'
      ? 'Close it there, pass lockTimeout to wait, or share one open database.'
      : 'Readers and a writer exclude each other: close the writer, or pass lockTimeout to wait.'
  return new SettError(
    'LEVEL_LOCKED',
    `${directory} is in use by ${await holder(directory, clock, obstacle)}. ${advice}`,
  )
}

async function holder(directory: string, clock: Clock, obstacle: Obstacle): Promise<string> {
  if (obstacle === 'this process') {
    return `this process (${process.pid} on ${hostname()}), which has it open already`
  }
  if (typeof obstacle === 'object') {
    const { claim } = obstacle
    const name = namedHolder(claim) ?? 'a process it does not name'
    return `${name}, as ${claim} says; if that process is gone for certain, delete that file`
  }
  for (let tries = 0; tries < NAME_TRIES; tries++) {
    const name = namedHolder(lockPath(directory)) ?? namedHolder(lockOwnerPath(directory))
    if (name !== undefined) return name
    await pause(clock, FIRST_DELAY_MS << tries)
  }
  return unnamedHolder(directory)
}

function pause(clock: Clock, delayMs: number): Promise<void> {
  return new Promise((resolve) => void clock.after(delayMs, resolve))
}
