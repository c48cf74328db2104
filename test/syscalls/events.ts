// What happened in a database directory, in the same words whether the kernel tells it (strace) or the file system
// in memory that stands in for it (its log of calls). Names are relative to the directory: `.` is it, `..` the one
// above.
import { dirname } from 'node:path'
import type { Call } from '../faults/fault-rules.ts'
import type { SystemCall } from './strace.ts'

/** For instance `write 000003.wal @64 +120`. */
export type Event = string

/** Events as the kernel saw them. One thread does what is asked for asynchronously, in the order asked, but later than
 * what the program itself does in the meantime. */
export interface TracedEvent {
  readonly event: Event
  /** By the thread the program runs on. */
  readonly byProgram: boolean
}

/** Calls that change nothing, and those that only set permissions. */
const SILENT: ReadonlySet<string> = new Set(['close', 'chmod', 'fchmod'])

/** In the order in which they were asked for. `made`: the directory was not there before. */
export function eventsOfCalls(calls: readonly Call[], directory: string, made: boolean): Event[] {
  const events: Event[] = []
  for (const { kind, path, offset, bytes } of calls) {
    const name = nameIn(directory, path)
    if (name === undefined) continue
    if (kind === 'write') events.push(placed(kind, name, offset, bytes))
    else if (kind === 'read' && bytes > 0) events.push(placed(kind, name, offset, bytes))
    else if (kind === 'truncate') events.push(`${kind} ${name} @${offset}`)
    else if (CHANGES.has(kind)) events.push(`${kind} ${name}`)
    // A part of this call.
    if (kind === 'makeDirectory' && made) events.push('syncDirectory ..')
  }
  return events
}

const CHANGES: ReadonlySet<Call['kind']> = new Set<Call['kind']>([
  'open',
  'create',
  'rename',
  'sync',
  'syncDirectory',
  'remove',
  'makeDirectory',
])

export function eventsOfTrace(calls: readonly SystemCall[], directory: string): TracedEvent[] {
  const events: TracedEvent[] = []
  let last: Read | undefined
  for (const call of calls) {
    const read = call.name === 'pread64' ? readOf(call) : undefined
    if (read !== undefined && last !== undefined && goesOn(last, read)) {
      last = read
      continue
    }
    if (call.name !== 'close') last = read
    const event = eventOf(call, directory)
    const byProgram = call.thread === calls[0]?.thread
    if (event !== undefined) events.push({ event, byProgram })
  }
  return events
}

/** The first difference: the program's own calls must be those asked for, in order, and so must the others', each no
 * earlier than it was asked for; undefined: there is none. */
export function difference(
  asked: readonly Event[],
  traced: readonly TracedEvent[],
): string | undefined {
  const own = traced.filter(({ byProgram }) => byProgram)
  const others = traced.flatMap(({ event, byProgram }, i) => {
    const before = traced.slice(0, i).filter((other) => other.byProgram).length
    return byProgram ? [] : [{ event, before }]
  })
  let done = 0
  let handed = 0
  for (const event of asked) {
    if (own[done]?.event === event) {
      done += 1
      continue
    }
    const other = others[handed]
    if (other?.event !== event || other.before < done) {
      return `asked for: ${event}; seen: ${own[done]?.event}, or later ${other?.event}`
    }
    handed += 1
  }
  const more = own[done]?.event ?? others[handed]?.event
  return more === undefined ? undefined : `not asked for: ${more}`
}

/** Directories that were opened to be synced and were not, or the other way round. */
export function unsyncedDirectories(calls: readonly SystemCall[], directory: string): number {
  const opened = calls.filter((call) => eventOf(call, directory)?.startsWith('syncDirectory'))
  const synced = calls.filter(
    (call) =>
      call.name === 'fsync' && pathsOf(call).some((path) => isDirectory(nameIn(directory, path))),
  )
  return opened.length - synced.length
}

function isDirectory(name: string | undefined): boolean {
  return name === '.' || name === '..'
}

/** Descriptors of files in the directory that were opened and not closed. */
export function leftOpen(calls: readonly SystemCall[], directory: string): string[] {
  const open = new Map<string, string>()
  for (const { name, args, result } of calls) {
    const opened = /^(\d+)<([^>]*)>/.exec(result)
    if (opened !== null && nameIn(directory, opened[2]!) !== undefined && name !== 'close') {
      open.set(opened[1]!, opened[2]!)
    }
    if (name === 'close') open.delete(/^(\d+)/.exec(args)?.[1] ?? '')
  }
  return [...open.values()]
}

export function nameIn(directory: string, path: string): string | undefined {
  if (path === directory) return '.'
  if (path === dirname(directory)) return '..'
  return path.startsWith(`${directory}/`) ? path.slice(directory.length + 1) : undefined
}

/** Paths a call names, and those of its descriptors. */
export function pathsOf({ args }: SystemCall): string[] {
  const strings = [...args.matchAll(/"([^"]*)"/g)].map(([, path]) => path!)
  const descriptors = [...args.matchAll(/\d+<([^>]*)>/g)].map(([, path]) => path!)
  return [...descriptors, ...strings].filter((path) => path.startsWith('/'))
}

function placed(kind: string, name: string, offset: number, bytes: number): Event {
  return `${kind} ${name} @${offset} +${bytes}`
}

function eventOf(call: SystemCall, directory: string): Event | undefined {
  const { name: call_, args } = call
  const names = pathsOf(call).flatMap((path) => nameIn(directory, path) ?? [])
  const name = names.at(-1)
  if (name === undefined || SILENT.has(call_)) return undefined
  switch (call_) {
    case 'open':
    case 'openat':
      return opening(name, args)
    case 'pread64':
    case 'pwrite64': {
      const { offset, bytes } = readOf(call)
      return placed(call_ === 'pread64' ? 'read' : 'write', name, offset, bytes)
    }
    case 'fdatasync':
      return `sync ${name}`
    case 'fsync':
      // That of a directory is told by its being opened for it, which is when it was asked for.
      return isDirectory(name) ? undefined : `fsync ${name}`
    case 'rename':
      return `rename ${name}`
    case 'unlink':
      return `remove ${name}`
    case 'mkdir':
      return `makeDirectory ${name}`
    case 'ftruncate':
      return `truncate ${name} @${/(\d+)$/.exec(args)?.[1]}`
    default:
      // No call of the engine's file system: shows up as a difference.
      return `${call_} ${names.join(' ')}`
  }
}

/** Whoever lists a directory opens it otherwise than whoever syncs it. */
function opening(name: string, args: string): Event | undefined {
  const flags = /O_[A-Z_|]+/.exec(args)?.[0].split('|') ?? []
  if (flags.includes('O_DIRECTORY')) {
    return flags.includes('O_NONBLOCK') ? undefined : `syncDirectory ${name}`
  }
  if (flags.includes('O_CREAT') && flags.includes('O_EXCL')) return `create ${name}`
  // An existing file, to read or to write over.
  const plain = flags.includes('O_RDONLY') || flags.includes('O_RDWR')
  return plain ? `open ${name}` : `open ${name} ${flags.join('|')}`
}

interface Read {
  readonly descriptor: string
  readonly offset: number
  readonly bytes: number
  readonly done: number
}

function readOf({ args, result }: SystemCall): Read {
  const [, descriptor = '', bytes, offset] = /^(\d+)<.*, (\d+), (\d+)$/.exec(args) ?? []
  return { descriptor, offset: Number(offset), bytes: Number(bytes), done: Number(result) }
}

/** The rest of a read that got fewer bytes than it asked for. */
function goesOn(last: Read, next: Read): boolean {
  return (
    next.descriptor === last.descriptor &&
    next.offset === last.offset + last.done &&
    next.bytes === last.bytes - last.done
  )
}
