// Who has a directory open to write, asked without taking part: nothing is created or written. Main thread.
import { hostname } from 'node:os'
import { SettError } from '../base/errors.ts'
import { isRunning, type LockRecord, readRecord } from './directory-lock.ts'
import { lockPath } from './file-names.ts'
import type { FileSystem } from './file-system.ts'
import { openLocked, SYSTEM_TOOLS } from './kernel-lock.ts'
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
  const path = lockPath(directory)
  const there = fs.statSync(path)
  if (there === undefined) return FREE
  if (there.kind !== 'file') return { ...FREE, state: 'unknown' }
  const record = readRecord(directory)
  const local = record?.host === hostname()
  const running = record === undefined || !local ? undefined : isRunning(record.pid)
  const held = await isHeld(path)
  const state = held ?? 'unknown'
  return { state: state === 'free' && record !== undefined ? 'stale' : state, record, running }
}

/** undefined: the kernel cannot be asked here. */
async function isHeld(path: string): Promise<'held' | 'free' | undefined> {
  try {
    const request = { path, kind: 'read', mode: 'shared', tools: SYSTEM_TOOLS } as const
    const descriptor = await openLocked(request)
    if (descriptor === undefined) return 'held'
    lockFiles.closeSync(descriptor)
    return 'free'
  } catch (error) {
    if (error instanceof SettError && error.code === 'SETT_LOCK_UNAVAILABLE') return undefined
    throw error
  }
}
