// Takes a kernel lock on a freshly opened descriptor. Node cannot call flock(2). On Linux the descriptor is lent as
// number 3 to the `flock` tool; the lock belongs to the open file, not to the process that asked for it, so it stays
// with us when the tool has ended. macOS, the BSDs and Windows lock while they open. No other file starts a process.
import { spawn } from 'node:child_process'
import { SettError } from '../base/errors.ts'
import { lockFiles } from './node-file-system.ts'

export type LockMode = 'exclusive' | 'shared'

/** A program that takes `… -x|-s -n 3`, and answers 0 (taken) or 1 (somebody else has it). */
export interface LockTool {
  readonly path: string
  readonly firstArguments: readonly string[]
}

/** Fixed places, not PATH, which the environment could point anywhere. */
export const SYSTEM_TOOLS: readonly LockTool[] = [
  { path: '/usr/bin/flock', firstArguments: [] },
  { path: '/bin/flock', firstArguments: [] },
  { path: '/run/current-system/sw/bin/flock', firstArguments: [] },
  { path: '/bin/busybox', firstArguments: ['flock'] },
  { path: '/usr/bin/busybox', firstArguments: ['flock'] },
]

export interface LockTarget {
  readonly path: string
  /** 'write' creates a missing file. */
  readonly kind: 'read' | 'write' | 'directory'
  readonly mode: LockMode
  readonly tools: readonly LockTool[]
}

/** The tool only asks the kernel; one that takes this long hangs. */
const TOOL_TIMEOUT_MS = 10_000

/** Open flags by which other systems lock a file while they open it; Node hands them on. */
interface LockFlags {
  readonly exclusive: number
  readonly shared: number
}

// From their <sys/fcntl.h>.
const BSD_FLAGS: LockFlags = { exclusive: 0x20, shared: 0x10 }
const LOCK_FLAGS: ReadonlyMap<string, LockFlags> = new Map([
  ['darwin', BSD_FLAGS],
  ['freebsd', BSD_FLAGS],
  ['openbsd', BSD_FLAGS],
  // libuv's UV_FS_O_EXLOCK: nobody else may open the file, whereas readers may, beside each other.
  ['win32', { exclusive: 0x1000_0000, shared: 0 }],
])

/** statfs types of Linux file systems whose locks are known to be the local kernel's. */
const LOCAL_VOLUMES: ReadonlySet<number> = new Set([
  0xef53, // ext2, ext3, ext4
  0x58465342, // XFS
  0x9123683e, // Btrfs
  0xf2f52010, // F2FS
  0x2fc12fc1, // ZFS
  0x01021994, // tmpfs
  0x858458f6, // ramfs
  0x794c7630, // overlayfs
])

/** The descriptor, locked and the caller's to close; `'no tool'`: this system has none that locks. */
export async function openLocked(target: LockTarget): Promise<number | 'held' | 'no tool'> {
  const flags = LOCK_FLAGS.get(process.platform)
  if (flags !== undefined) return openLockedByFlag(target, flags[target.mode])
  if (process.platform !== 'linux') {
    throw lockUnavailable(`Locking a directory is not supported on ${process.platform}`)
  }
  const descriptor = open(target, 0)
  let answer: 'taken' | 'held' | 'no tool' | undefined
  try {
    answer = await lockByTool(descriptor, target)
  } finally {
    if (answer !== 'taken') lockFiles.closeSync(descriptor)
  }
  return answer === 'taken' ? descriptor : answer
}

/** Whether the volume is known to keep its locks in this kernel. */
export function isLocalVolume(path: string): boolean {
  // statfs answers with 32 bits, on some systems as a signed number; elsewhere the numbers mean other things.
  return process.platform === 'linux' && LOCAL_VOLUMES.has(lockFiles.volumeTypeSync(path) >>> 0)
}

/** Whether the system shows the lock on the descriptor, so that a tool which only says yes is not believed. */
export function isShownLocked(descriptor: number): boolean {
  const facts = lockFiles.systemFactSync(`/proc/self/fdinfo/${descriptor}`, 'text')
  return facts !== undefined && /^lock:.*\bFLOCK\b.*\bWRITE\b/m.test(facts)
}

/**
 * Asks once more through a second descriptor for a file we hold exclusively: an answer of yes means the file system
 * only pretends, or the flags do nothing here.
 */
export async function isRealLock(path: string, tools: readonly LockTool[]): Promise<boolean> {
  const second = await openLocked({ path, kind: 'write', mode: 'exclusive', tools })
  if (typeof second === 'number') lockFiles.closeSync(second)
  return second === 'held'
}

function open(target: LockTarget, extraFlags: number): number {
  if (target.kind === 'directory') return lockFiles.openDirectorySync(target.path, extraFlags)
  return lockFiles.openSync(target.path, target.kind, extraFlags)
}

/** What an open that locks answers while another holder is in the way. */
const HELD_CODES: ReadonlySet<string> = new Set(['EAGAIN', 'EWOULDBLOCK', 'EBUSY'])

function openLockedByFlag(target: LockTarget, flag: number): number | 'held' {
  try {
    return open(target, flag)
  } catch (error) {
    if (HELD_CODES.has(codeOf(error))) return 'held'
    throw error
  }
}

async function lockByTool(
  descriptor: number,
  target: LockTarget,
): Promise<'taken' | 'held' | 'no tool'> {
  for (const tool of target.tools) {
    const answer = await runTool(tool, descriptor, target.mode)
    if (answer === 'missing' || answer === NO_APPLET) continue
    if (answer === 0) return 'taken'
    if (answer === 1) return 'held'
    throw lockUnavailable(`${tool.path} could not lock ${target.path} (${answer})`)
  }
  return 'no tool'
}

/** A busybox that was built without flock. */
const NO_APPLET = 127

/** What cannot be run here (distribution, sandbox) may exist in the next place. */
const NOT_RUNNABLE: ReadonlySet<string> = new Set([
  'ENOENT',
  'EACCES',
  'EPERM',
  'ENOEXEC',
  'ENOTDIR',
  'ERR_ACCESS_DENIED',
])

async function runTool(
  tool: LockTool,
  descriptor: number,
  mode: LockMode,
): Promise<number | string | 'missing'> {
  try {
    return await endOfTool(tool, descriptor, mode)
  } catch (error) {
    if (NOT_RUNNABLE.has(codeOf(error))) return 'missing'
    throw error
  }
}

/** The exit code, or how it was ended. */
function endOfTool(tool: LockTool, descriptor: number, mode: LockMode): Promise<number | string> {
  const flag = mode === 'exclusive' ? '-x' : '-s'
  return new Promise((resolve, reject) => {
    const child = spawn(tool.path, [...tool.firstArguments, flag, '-n', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', descriptor],
      env: {},
      timeout: TOOL_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    child.once('error', reject)
    child.once('exit', (code, signal) => resolve(code ?? `ended by ${signal}`))
  })
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : ''
}

export function lockUnavailable(what: string): SettError {
  return new SettError(
    'SETT_LOCK_UNAVAILABLE',
    `${what}, so a second writer could not be kept out. Install the flock tool (package util-linux), or pass ` +
      "lock: 'none' and see to it that only one process opens the database.",
  )
}
