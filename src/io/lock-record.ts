// What the holder of a directory writes about itself, and when that may be disregarded: only if the process it names
// surely runs no more. Any thread. The kernel decides between openers that lock by the same means; between
// different means, and where a record is all there is, records do.
import { hostname } from 'node:os'
import type { Clock } from '../base/clock.ts'
import { lockFiles } from './node-file-system.ts'

const RECORD_BYTES_MAX = 1_024

/** How a directory is locked: the kernel's lock on LOCK, or what stands in for it. */
export type LockMeans = 'kernel' | 'sqlite' | 'socket'

export interface LockRecord {
  readonly pid: number
  readonly host: string
  /** When the directory was taken, ISO 8601. */
  readonly started: string
  readonly by: LockMeans | undefined
  /** Start of the process in clock ticks since the boot: tells it from a later one of the same pid. */
  readonly processStart: string | undefined
  readonly boot: string | undefined
  readonly pidNamespace: string | undefined
}

/** The system a process finds itself on. */
export interface Surroundings {
  readonly host: string
  readonly boot: string | undefined
  readonly pidNamespace: string | undefined
}

export function surroundings(): Surroundings {
  return {
    host: hostname(),
    boot: lockFiles.systemFactSync('/proc/sys/kernel/random/boot_id', 'text')?.trim(),
    pidNamespace: lockFiles.systemFactSync('/proc/self/ns/pid', 'link'),
  }
}

export function writeRecord(descriptor: number, clock: Clock, by: LockMeans): void {
  const started = new Date(clock.wallMs()).toISOString()
  const { pid } = process
  const processStart = processFacts(pid)?.start
  const record = { pid, started, by, processStart, ...surroundings() }
  lockFiles.replaceTextSync(descriptor, `${JSON.stringify(record)}\n`)
}

/** `'none'`: no file, or an empty one; `'unreadable'`: what is there names no process. */
export function readRecord(path: string): LockRecord | 'none' | 'unreadable' {
  let descriptor: number | undefined
  try {
    descriptor = lockFiles.openSync(path, 'read')
    const text = lockFiles.readTextSync(descriptor, RECORD_BYTES_MAX)
    return text === '' ? 'none' : parseRecord(text)
  } catch (error) {
    // Whatever else stands there, such as a directory, is no record.
    return error instanceof Error && 'code' in error && error.code === 'ENOENT'
      ? 'none'
      : 'unreadable'
  } finally {
    if (descriptor !== undefined) lockFiles.closeSync(descriptor)
  }
}

export function parseRecord(text: string): LockRecord | 'unreadable' {
  let found: unknown
  try {
    found = JSON.parse(text)
  } catch {
    return 'unreadable'
  }
  if (typeof found !== 'object' || found === null) return 'unreadable'
  const { pid, host, started, by, processStart, boot, pidNamespace } = found as {
    [name: string]: unknown
  }
  if (typeof pid !== 'number' || !Number.isSafeInteger(pid) || pid <= 0) return 'unreadable'
  return {
    pid,
    host: printable(host) ?? 'unknown',
    started: printable(started) ?? 'unknown',
    by: by === 'kernel' || by === 'sqlite' || by === 'socket' ? by : undefined,
    processStart: printable(processStart),
    boot: printable(boot),
    pidNamespace: printable(pidNamespace),
  }
}

function printable(text: unknown): string | undefined {
  return typeof text === 'string' ? text.replace(/[^\x20-\x7e]/g, '?') : undefined
}

/** `'gone'` and `'alive'` are certain: the system was started anew, or a look at its processes shows it. */
export function fateOf(
  record: LockRecord,
  here: Surroundings = surroundings(),
): 'gone' | 'alive' | 'unknown' {
  const { boot, pidNamespace, pid, processStart } = record
  if (boot === undefined || here.boot === undefined) return 'unknown'
  if (boot !== here.boot) return record.host === here.host ? 'gone' : 'unknown'
  if (pidNamespace === undefined || pidNamespace !== here.pidNamespace) return 'unknown'
  if (!isRunning(pid)) return 'gone'
  const facts = processFacts(pid)
  if (facts === undefined || processStart === undefined) return 'unknown'
  return facts.ended || facts.start !== processStart ? 'gone' : 'alive'
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

/** From /proc/PID/stat: the fields after the name, which may hold anything, parentheses too. */
function processFacts(pid: number): { start: string; ended: boolean } | undefined {
  const text = lockFiles.systemFactSync(`/proc/${pid}/stat`, 'text')
  const fields = text?.slice(text.lastIndexOf(')') + 2).split(' ')
  const state = fields?.[0]
  const start = fields?.[19]
  if (state === undefined || start === undefined) return undefined
  // A zombie has let go of everything and only waits for its parent to notice.
  return { start, ended: state === 'Z' || state === 'X' }
}
