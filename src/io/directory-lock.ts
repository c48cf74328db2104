// One writer per directory, or any number of readers. The lock is the kernel's, on an open descriptor, so it
// ends with its owner however that ends. What is locked is LOCK, when it exists. A reader writes nothing, so where
// LOCK is missing (a copied database, a read-only medium) it locks the directory itself; and whoever is about to
// create LOCK beside a CURRENT first takes the directory exclusively: LOCK never appears under a reader's feet.
import { hostname } from 'node:os'
import type { Clock } from '../base/clock.ts'
import { SettError } from '../base/errors.ts'
import { currentPath, lockPath } from './file-names.ts'
import type { FileSystem } from './file-system.ts'
import {
  isRealLock,
  type LockMode,
  type LockTool,
  openLocked,
  SYSTEM_TOOLS,
} from './kernel-lock.ts'
import { lockFiles } from './node-file-system.ts'

export type { LockMode } from './kernel-lock.ts'

const FIRST_DELAY_MS = 4
const LONGEST_DELAY_MS = 250
const RECORD_BYTES_MAX = 1_024

export interface DirectoryLock {
  /** Idempotent. */
  release(): void
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
  /** Where to look for the tool; only tests give their own. */
  readonly tools?: readonly LockTool[]
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

/** Resolves once the directory is ours; LEVEL_LOCKED when it is not after `timeoutMs`. */
export async function acquireDirectoryLock(request: LockRequest): Promise<DirectoryLock> {
  if (request.fs.inMemory) return { release: () => undefined }
  const { clock, directory, timeoutMs } = request
  const started = clock.monotonicMs()
  for (let delay = FIRST_DELAY_MS; ; delay = Math.min(delay * 2, LONGEST_DELAY_MS)) {
    const outcome = await tryOnce(request)
    if (typeof outcome === 'object') return outcome
    const left = timeoutMs - (clock.monotonicMs() - started)
    if (left <= 0) throw refusal(directory, request.mode, outcome)
    await new Promise<void>((resolve) => void clock.after(Math.min(delay, left), resolve))
  }
}

/** Who was in the way, or the lock. */
type Obstacle = 'this process' | 'another process'

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
  let descriptor: number | undefined
  try {
    descriptor = mode === 'exclusive' ? await lockToWrite(request) : await lockToRead(request)
    if (descriptor === undefined) return 'another process'
    if (mode === 'exclusive') writeRecord(descriptor, request.clock)
  } catch (error) {
    if (descriptor !== undefined) lockFiles.closeSync(descriptor)
    throw error
  } finally {
    if (descriptor === undefined) registry.leave(identity)
  }
  return new HeldLock({ registry, identity, descriptor, mode })
}

class HeldLock implements DirectoryLock {
  #held: {
    readonly registry: LockRegistry
    readonly identity: string
    readonly descriptor: number
    readonly mode: LockMode
  } | null

  constructor(held: {
    readonly registry: LockRegistry
    readonly identity: string
    readonly descriptor: number
    readonly mode: LockMode
  }) {
    this.#held = held
  }

  release(): void {
    const held = this.#held
    if (held === null) return
    this.#held = null
    try {
      // A record left behind would name the wrong owner while readers hold the lock.
      if (held.mode === 'exclusive') lockFiles.replaceTextSync(held.descriptor, '')
    } finally {
      lockFiles.closeSync(held.descriptor)
      held.registry.leave(held.identity)
    }
  }
}

async function lockToWrite(request: LockRequest): Promise<number | undefined> {
  const { directory, fs, tools = SYSTEM_TOOLS } = request
  const path = lockPath(directory)
  let guard: number | undefined
  try {
    if (fs.statSync(path) === undefined && fs.statSync(currentPath(directory)) !== undefined) {
      guard = await openLocked({ path: directory, kind: 'directory', mode: 'exclusive', tools })
      if (guard === undefined) return undefined
    }
    return await lockFile(request, 'write')
  } finally {
    if (guard !== undefined) lockFiles.closeSync(guard)
  }
}

async function lockToRead(request: LockRequest): Promise<number | undefined> {
  const { directory, fs, tools = SYSTEM_TOOLS } = request
  const path = lockPath(directory)
  if (fs.statSync(path) !== undefined) return lockFile(request, 'read')
  if (fs.statSync(currentPath(directory)) === undefined) {
    throw new SettError(
      'SETT_NOT_A_DATABASE',
      `${directory} holds no database to read: it has neither CURRENT nor LOCK. ` +
        'Check the path, or open it without readOnly to create a database there.',
    )
  }
  const guard = await openLocked({ path: directory, kind: 'directory', mode: 'shared', tools })
  if (guard === undefined || fs.statSync(path) === undefined) return guard
  // A writer created LOCK between the two looks: LOCK counts from now on.
  lockFiles.closeSync(guard)
  return lockFile(request, 'read')
}

async function lockFile(request: LockRequest, kind: 'read' | 'write'): Promise<number | undefined> {
  const { directory, mode, tools = SYSTEM_TOOLS } = request
  const path = lockPath(directory)
  const descriptor = await openLocked({ path, kind, mode, tools })
  if (descriptor === undefined) return undefined
  let ours = false
  try {
    // Removed or replaced while we waited for it: a lock on that file excludes nobody.
    if (lockFiles.identitySync(descriptor) !== lockFiles.identitySync(path)) return undefined
    if (mode === 'exclusive' && !(await isRealLock(path, tools))) throw notReal(directory)
    ours = true
    return descriptor
  } finally {
    if (!ours) lockFiles.closeSync(descriptor)
  }
}

/** For people, and for the message of whoever is refused; never parsed for a decision. */
function writeRecord(descriptor: number, clock: Clock): void {
  const started = new Date(clock.wallMs()).toISOString()
  const record = { pid: process.pid, host: hostname(), started }
  lockFiles.replaceTextSync(descriptor, `${JSON.stringify(record)}\n`)
}

function notReal(directory: string): SettError {
  return new SettError(
    'SETT_LOCK_UNAVAILABLE',
    `The file system of ${directory} grants one lock twice, as network file systems do, so it cannot ` +
      'keep a second writer out. Move the database to a local disk, or pass ' +
      "lock: 'none' and see to it that only one process opens it.",
  )
}

function refusal(directory: string, wanted: LockMode, obstacle: Obstacle): SettError {
  const holder = obstacle === 'this process' ? thisProcess() : recordedHolder(directory)
  const advice =
    wanted === 'exclusive'
      ? 'Close it there, pass lockTimeout to wait, or share one open database.'
      : 'Readers and a writer exclude each other: close the writer, or pass lockTimeout to wait.'
  return new SettError('LEVEL_LOCKED', `${directory} is in use by ${holder}. ${advice}`)
}

function thisProcess(): string {
  return `this process (${process.pid} on ${hostname()}), which has it open already`
}

function recordedHolder(directory: string): string {
  const record = readRecord(directory)
  if (record === undefined) return 'another process that left no name, such as a read-only opener'
  const { pid, host, started } = record
  if (host === hostname() && !isRunning(pid)) {
    return `read-only openers, or a child of process ${pid} on ${host}, which is gone`
  }
  return `process ${pid} on ${host}, since ${started}`
}

/** What an exclusive holder writes into LOCK about itself. */
export interface LockRecord {
  readonly pid: number
  readonly host: string
  readonly started: string
}

/** Of the exclusive holder, or of one that ended without taking it back. */
export function readRecord(directory: string): LockRecord | undefined {
  let descriptor: number | undefined
  try {
    descriptor = lockFiles.openSync(lockPath(directory), 'read')
    const text = lockFiles.readTextSync(descriptor, RECORD_BYTES_MAX)
    const found: unknown = JSON.parse(text)
    if (typeof found !== 'object' || found === null) return undefined
    const { pid, host, started } = found as { [name: string]: unknown }
    if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return undefined
    return { pid, host: printable(host), started: printable(started) }
  } catch {
    // Missing, unreadable or half-written: the holder stays without a name, the refusal stands.
    return undefined
  } finally {
    if (descriptor !== undefined) lockFiles.closeSync(descriptor)
  }
}

function printable(text: unknown): string {
  return typeof text === 'string' ? text.replace(/[^\x20-\x7e]/g, '?') : 'unknown'
}

/** Signal 0 only asks; EPERM means it runs and belongs to somebody else. */
export function isRunning(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return error instanceof Error && 'code' in error && error.code === 'EPERM'
  }
}
