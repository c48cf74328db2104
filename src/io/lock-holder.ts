// Who has a directory open to write, for people: in words, and for those who ask without taking part; nothing is
// created or written. Main thread.
import { hostname } from 'node:os'
import { SettError } from '../base/errors.ts'
import { lockOwnerPath, lockPath } from './file-names.ts'
import type { FileSystem } from './file-system.ts'
import { openLocked, SYSTEM_TOOLS } from './kernel-lock.ts'
import { fateOf, isRunning, type LockRecord, readRecord } from './lock-record.ts'
import { lockFiles } from './node-file-system.ts'

export interface LockState {
  /** `'stale'`: free, but its last holder ended without taking its record back. */
  readonly state: 'free' | 'held' | 'stale' | 'unknown'
  readonly record: LockRecord | undefined
  /** Whether the recorded process runs; undefined: on another host, or nobody is recorded. */
  readonly running: boolean | undefined
}

const FREE: LockState = { state: 'free', record: undefined, running: undefined }

/** The lock is asked for as a reader does and given back at once; readers that have it are not seen. */
export async function lockState(fs: FileSystem, directory: string): Promise<LockState> {
  if (fs.inMemory) return FREE
  const claim = named(lockOwnerPath(directory))
  if (claim !== undefined && fateOf(claim) !== 'gone') return stateOf('held', claim)
  const path = lockPath(directory)
  const there = fs.statSync(path)
  if (there === undefined) return claim === undefined ? FREE : stateOf('stale', claim)
  if (there.kind !== 'file') return { ...FREE, state: 'unknown' }
  const record = named(path) ?? claim
  const held = (await isHeld(path)) ?? 'unknown'
  return stateOf(held === 'free' && record !== undefined ? 'stale' : held, record)
}

function stateOf(state: LockState['state'], record: LockRecord | undefined): LockState {
  const local = record?.host === hostname()
  return { state, record, running: local ? !isOver(record) : undefined }
}

/** undefined: the kernel cannot be asked here. */
async function isHeld(path: string): Promise<'held' | 'free' | undefined> {
  try {
    const request = { path, kind: 'read', mode: 'shared', tools: SYSTEM_TOOLS } as const
    const descriptor = await openLocked(request)
    if (descriptor === 'no tool') return undefined
    if (descriptor === 'held') return 'held'
    lockFiles.closeSync(descriptor)
    return 'free'
  } catch (error) {
    if (error instanceof SettError && error.code === 'SETT_LOCK_UNAVAILABLE') return undefined
    throw error
  }
}

function named(path: string): LockRecord | undefined {
  const record = readRecord(path)
  return typeof record === 'object' ? record : undefined
}

/** As far as can be told from here; for messages, not for decisions. */
function isOver(record: LockRecord): boolean {
  // Without a boot it was written where nothing better than a pid is known.
  return record.boot === undefined ? !isRunning(record.pid) : fateOf(record) === 'gone'
}

/** The process a record names, unless it is known to be over. */
export function namedHolder(path: string): string | undefined {
  const record = named(path)
  if (record === undefined || (record.host === hostname() && isOver(record))) return undefined
  return `process ${record.pid} on ${record.host}, since ${record.started}`
}

/** Whoever it is that keeps others out and is not named. */
export function unnamedHolder(directory: string): string {
  const record = named(lockPath(directory))
  if (record === undefined) return 'another process that left no name, such as a read-only opener'
  const { pid, host } = record
  return `read-only openers, or a child of process ${pid} on ${host}, which is gone`
}
