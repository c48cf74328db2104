// Runs programs under strace and reads what it saw. The kernel is asked, so nothing the program does can be missed; and
// the kernel can be told to fail a call, or to kill the process at one.
import { type SpawnSyncReturns, spawnSync } from 'node:child_process'
import { readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface SystemCall {
  readonly thread: number
  readonly name: string
  readonly args: string
  /** What stands behind the equals sign; '?' of a call that never returned. */
  readonly result: string
}

/** Which calls fail, and how: strace's own words. */
export interface Tampering {
  readonly call: string
  /** `error=EIO`, `signal=SIGKILL` */
  readonly what: string
  /** `3`, `3+`, `3+5`; counted by thread. */
  readonly when: string
  /** Only calls that name one of these files, or a descriptor of one. */
  readonly paths?: readonly string[]
}

export interface TracedRun {
  readonly status: number | null
  readonly signal: string | null
  readonly stdout: string
  readonly stderr: string
  /** In the order in which they began. */
  readonly calls: readonly SystemCall[]
}

export interface TraceRequest {
  readonly program: URL
  readonly args: readonly string[]
  /** Names of system calls; those a machine does not have are left out. */
  readonly calls: readonly string[]
  readonly tampering?: Tampering
}

const TIME_LIMIT_MS = 120_000

/** Whatever can change a file or its name, reads one, or hands its bytes on. */
export const FILE_CALLS: readonly string[] = `
  open openat openat2 creat close
  read readv pread64 preadv preadv2 write writev pwrite64 pwritev pwritev2
  fsync fdatasync sync syncfs sync_file_range truncate ftruncate fallocate
  rename renameat renameat2 unlink unlinkat rmdir mkdir mkdirat mknod mknodat
  link linkat symlink symlinkat
  chmod fchmod fchmodat chown fchown lchown fchownat utimensat setxattr fsetxattr
  copy_file_range sendfile splice mmap io_uring_setup
`
  .trim()
  .split(/\s+/)

/** Why nothing can be traced here; undefined: it can. */
export function whyNoStrace(): string | undefined {
  if (process.platform !== 'linux') return `strace is for Linux, and this is ${process.platform}`
  const tried = traceNothing([])
  if (tried.error !== undefined) return `strace does not run (${tried.error.message})`
  return tried.status === 0 ? undefined : `strace is refused: ${tried.stderr.trim()}`
}

function traceNothing(flags: readonly string[]): SpawnSyncReturns<string> {
  const args = [...flags, '-f', '-qq', '-o', '/dev/null', '-e', 'trace=fsync', 'true']
  return spawnSync('strace', args, { encoding: 'utf8', timeout: TIME_LIMIT_MS })
}

let quickFlags: readonly string[] | undefined

/** Where strace can do that, only calls that are asked for stop the process, which takes half the time. */
function quickly(): readonly string[] {
  if (quickFlags !== undefined) return quickFlags
  const { status, stderr } = traceNothing(['--seccomp-bpf'])
  quickFlags = status === 0 && stderr === '' ? ['--seccomp-bpf'] : []
  return quickFlags
}

/** One thread does the asynchronous calls of the program, so that calls can be counted. */
export function trace({ program, args, calls, tampering }: TraceRequest): TracedRun {
  const log = join(tmpdir(), `sett-strace-${process.pid}-${performance.now()}`)
  const wanted = calls.map((name) => `?${name}`).join(',')
  // A process that is traced in the quick way is not killed.
  const quick = tampering?.what.startsWith('signal') === true ? [] : quickly()
  const flags = [...quick, '-f', '-y', '-qq', '-s', '0', '-o', log, '-e', 'signal=none']
  flags.push('-e', `trace=${wanted}`)
  if (tampering !== undefined) {
    const { call, what, when, paths = [] } = tampering
    flags.push('-e', `inject=${call}:${what}:when=${when}`)
    for (const path of paths) flags.push('-P', path)
  }
  const environment = { ...process.env, UV_THREADPOOL_SIZE: '1', UV_USE_IO_URING: '0' }
  const command = [...flags, process.execPath, fileURLToPath(program), ...args]
  try {
    const ran = spawnSync('strace', command, {
      encoding: 'utf8',
      env: environment,
      timeout: TIME_LIMIT_MS,
      maxBuffer: 2 ** 28,
    })
    if (ran.error !== undefined) throw ran.error
    const { status, signal, stdout, stderr } = ran
    return { status, signal, stdout, stderr, calls: parseTrace(readFileSync(log, 'utf8')) }
  } finally {
    rmSync(log, { force: true })
  }
}

interface Begun {
  readonly at: number
  readonly text: string
}

export function parseTrace(text: string): SystemCall[] {
  const calls: (SystemCall | undefined)[] = []
  /** By thread. */
  const begun = new Map<number, Begun>()
  const add = (thread: number, line: string, at = calls.length): void => {
    const [, name, args, result] = /^(\w+)\((.*)\)\s+= (.+)$/.exec(line) ?? []
    if (name !== undefined) calls[at] = { thread, name, args: args ?? '', result: result ?? '' }
  }
  for (const line of text.split('\n')) {
    const [, id, body] = /^(\d+) +(.*)$/.exec(line) ?? []
    if (id === undefined || body === undefined) continue
    const thread = Number(id)
    const unfinished = /^(.*) <unfinished \.\.\.>$/.exec(body)?.[1]
    const resumed = /^<\.\.\. \w+ resumed>(.*)$/.exec(body)?.[1]
    if (unfinished !== undefined) {
      begun.set(thread, { at: calls.length, text: unfinished })
      calls.push(undefined)
    } else if (resumed !== undefined) {
      const before = begun.get(thread)
      begun.delete(thread)
      if (before !== undefined) add(thread, before.text + resumed, before.at)
    } else add(thread, body)
  }
  for (const [thread, { at, text: start }] of begun) add(thread, `${start}) = ?`, at)
  return calls.filter((call) => call !== undefined)
}
