// Which calls of a file system fail, fall short, take their time or hang: rules, looked up call by call.

export type CallKind =
  | 'open'
  | 'create'
  | 'read'
  | 'write'
  | 'truncate'
  | 'size'
  | 'sync'
  | 'close'
  | 'list'
  | 'stat'
  | 'makeDirectory'
  | 'rename'
  | 'remove'
  | 'syncDirectory'
  | 'space'

export interface Call {
  readonly kind: CallKind
  /** Of a rename: the new name. */
  readonly path: string
  /** -1: a call that names no file. */
  readonly file: number
  readonly offset: number
  /** Asked for. */
  readonly bytes: number
  /** Its place among all calls, in the order in which they were made. */
  readonly made: number
  /** Code of the error it was answered with. */
  error?: string
  /** How many calls had been made by then. */
  failedAt?: number
}

export interface Fault {
  readonly on: CallKind | readonly CallKind[]
  readonly path?: RegExp
  /** Only calls for which this is true. */
  readonly of?: (call: Call) => boolean
  /** Which of the calls that match, from 1 on. Default 1. */
  readonly nth?: number
  /** That call and every later one. */
  readonly forever?: boolean
  readonly errno?: string
  /** A failing write gets so many of its bytes into the file; a read without `errno` so many out of it. */
  readonly shortBytes?: number
  /** What a failing sync does to the bytes it did not write: they stay readable until the crash ('clean', the
   * default), or are gone at once. */
  readonly failedSync?: 'clean' | 'revert'
  /** The call takes that long; a synchronous one blocks its thread. */
  readonly delayMs?: number
  /** An asynchronous call hangs until this is resolved. */
  readonly until?: Promise<unknown>
}

export interface Injection {
  /** Calls that matched so far, failed or not. */
  readonly matches: number
  lift(): void
}

/** What to do with one call. */
export type Verdict = Pick<Fault, 'errno' | 'shortBytes' | 'failedSync' | 'delayMs' | 'until'>

export class FaultRules {
  readonly #rules = new Map<Injection, { readonly fault: Fault; matches: number }>()

  inject(fault: Fault): Injection {
    const rule = { fault, matches: 0 }
    const injection: Injection = {
      get matches() {
        return rule.matches
      },
      lift: () => void this.#rules.delete(injection),
    }
    this.#rules.set(injection, rule)
    return injection
  }

  liftAll(): void {
    this.#rules.clear()
  }

  /** Counts the call for every rule; the first one that strikes decides. */
  judge(call: Call): Verdict | undefined {
    let verdict: Verdict | undefined
    for (const rule of this.#rules.values()) {
      const { on, path, of, nth = 1, forever = false } = rule.fault
      const fits = typeof on === 'string' ? on === call.kind : on.includes(call.kind)
      if (!fits || path?.test(call.path) === false || of?.(call) === false) continue
      rule.matches += 1
      if (rule.matches === nth || (forever && rule.matches > nth)) verdict ??= rule.fault
    }
    return verdict
  }
}

const MESSAGES: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'no such file or directory'],
  ['EEXIST', 'file already exists'],
  ['ENOTDIR', 'not a directory'],
  ['EISDIR', 'illegal operation on a directory'],
  ['ENOTEMPTY', 'directory not empty'],
  ['EINVAL', 'invalid argument'],
  ['EBADF', 'bad file descriptor'],
  ['ENOSPC', 'no space left on device'],
  ['EIO', 'i/o error'],
  ['EMFILE', 'too many open files'],
])

/** A directory is synced by opening it first: these come from there, and nothing was synced. */
const OPENING: ReadonlySet<string> = new Set(['EMFILE', 'ENFILE', 'ENOENT', 'ENOTDIR', 'EACCES'])

/** Shaped like Node's. */
export function systemError(code: string, call: string, path: string): Error {
  const opens = call === 'create' || (call === 'syncDirectory' && OPENING.has(code))
  const syscall = opens ? 'open' : call
  const message = `${code}: ${MESSAGES.get(code) ?? 'injected'}, ${syscall} '${path}'`
  return Object.assign(new Error(message), { code, syscall, path })
}
