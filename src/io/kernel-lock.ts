// Takes a kernel lock on a freshly opened descriptor. Node cannot call flock(2). On Linux the descriptor is lent as
// number 3 to the `flock` tool; the lock belongs to the open file, not to the process that asked for it, so it stays
// with us when the tool has ended. macOS locks while it opens. No other file starts a process.
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

// From <sys/fcntl.h> of macOS; Node passes unknown open flags through.
const DARWIN_O_SHLOCK = 0x10
const DARWIN_O_EXLOCK = 0x20

/** statfs types of file systems whose locks are known to be the local kernel's. */
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

/** The descriptor, locked and the caller's to close, or undefined when another holder is in the way. */
export async function openLocked(target: LockTarget): Promise<number | undefined> {
  if (process.platform === 'darwin') return openLockedByFlag(target)
  if (process.platform !== 'linux') {
    throw unavailable(`Locking a directory is not supported on ${process.platform}`)
  }
  const descriptor = open(target, 0)
  let taken = false
  try {
    taken = await lockByTool(descriptor, target)
  } finally {
    if (!taken) lockFiles.closeSync(descriptor)
  }
  return taken ? descriptor : undefined
}

/**
 * Asks once more through a second descriptor for a file we hold exclusively: an answer of yes means the
 * file system only pretends. Skipped where the file system is known to be local.
 */
export async function isRealLock(path: string, tools: readonly LockTool[]): Promise<boolean> {
  // statfs answers with 32 bits, on some systems as a signed number.
  if (LOCAL_VOLUMES.has(lockFiles.volumeTypeSync(path) >>> 0)) return true
  const second = await openLocked({ path, kind: 'write', mode: 'exclusive', tools })
  if (second === undefined) return true
  lockFiles.closeSync(second)
  return false
}

function open(target: LockTarget, extraFlags: number): number {
  if (target.kind === 'directory') return lockFiles.openDirectorySync(target.path, extraFlags)
  return lockFiles.openSync(target.path, target.kind, extraFlags)
}

function openLockedByFlag(target: LockTarget): number | undefined {
  try {
    return open(target, target.mode === 'exclusive' ? DARWIN_O_EXLOCK : DARWIN_O_SHLOCK)
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'EAGAIN' || code === 'EWOULDBLOCK') return undefined
    throw error
  }
}

async function lockByTool(descriptor: number, target: LockTarget): Promise<boolean> {
  for (const tool of target.tools) {
    const answer = await runTool(tool, descriptor, target.mode)
    if (answer === 'missing') continue
    if (answer === 0) return true
    if (answer === 1) return false
    throw unavailable(`${tool.path} could not lock ${target.path} (${answer})`)
  }
  throw unavailable('No flock tool was found on this system')
}

function runTool(
  tool: LockTool,
  descriptor: number,
  mode: LockMode,
): Promise<number | string | 'missing'> {
  const flag = mode === 'exclusive' ? '-x' : '-s'
  return new Promise((resolve, reject) => {
    const child = spawn(tool.path, [...tool.firstArguments, flag, '-n', '3'], {
      stdio: ['ignore', 'ignore', 'ignore', descriptor],
      env: {},
      timeout: TOOL_TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    child.once('error', (error: NodeJS.ErrnoException) => {
      // What cannot be run here (distribution, sandbox) may exist in the next place.
      if (error.code === 'ENOENT' || error.code === 'EACCES') resolve('missing')
      else reject(error)
    })
    child.once('exit', (code, signal) => resolve(code ?? `ended by ${signal}`))
  })
}

function unavailable(what: string): SettError {
  return new SettError(
    'SETT_LOCK_UNAVAILABLE',
    `${what}, so a second writer could not be kept out. Install the flock tool (package util-linux), or pass ` +
      "lock: 'none' and see to it that only one process opens the database.",
  )
}
