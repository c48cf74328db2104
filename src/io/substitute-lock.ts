// Stands in for the flock tool on a Linux that has none: a lock of SQLite's on an empty database where Node has
// SQLite, else a socket with a name only one process can have. Main thread. Both end with their process. Since
// neither is seen by openers that use the tool, or the other one, a writer also claims the directory in LOCK.owner;
// whoever writes its claim first and looks for those of others afterwards cannot miss one.
import { createServer } from 'node:net'
import type { Clock } from '../base/clock.ts'
import { lockDatabasePath, lockOwnerPath, lockPath } from './file-names.ts'
import { type LockMode, lockUnavailable } from './kernel-lock.ts'
import { fateOf, type LockMeans, readRecord, writeRecord } from './lock-record.ts'
import { lockFiles } from './node-file-system.ts'

export interface Substitute {
  readonly means: LockMeans
  /** How to let go; `'held'`: somebody has it; undefined: there is no such thing on this system. */
  take(directory: string, mode: LockMode): Promise<(() => void) | 'held' | undefined>
}

export interface SubstituteRequest {
  readonly directory: string
  readonly mode: LockMode
  readonly clock: Clock
  readonly substitutes: readonly Substitute[]
}

/** A directory taken; `owner` is the open LOCK.owner of a writer. */
export interface SubstituteHold {
  readonly owner: number | undefined
  release(): void
}

/** The path of a record that keeps an opener out. */
export interface Claim {
  readonly claim: string
}

/** Throws where nothing stands in. */
export async function lockBySubstitute(
  request: SubstituteRequest,
): Promise<SubstituteHold | Claim | 'held'> {
  const { directory, mode, substitutes } = request
  for (const { means, take } of substitutes) {
    const release = await take(directory, mode)
    if (release === undefined) continue
    if (release === 'held') return 'held'
    let hold: SubstituteHold | Claim | undefined
    try {
      hold = mode === 'exclusive' ? claim(request, means, release) : look(directory, release)
      return hold
    } finally {
      if (hold === undefined || 'claim' in hold) release()
    }
  }
  throw lockUnavailable('No flock tool was found on this system, nor anything in its place')
}

/** Whether what is recorded at `path` keeps out an opener who holds a lock of these means. */
export function claimAt(path: string, means?: LockMeans): Claim | undefined {
  const record = readRecord(path)
  if (record === 'none') return undefined
  if (record === 'unreadable') return { claim: path }
  const fate = fateOf(record)
  if (fate === 'gone') return undefined
  // SQLite's lock is given to one at a time, so whoever wrote this has lost it, unless its file was replaced.
  if (fate === 'unknown' && means === 'sqlite' && record.by === 'sqlite') return undefined
  return { claim: path }
}

function claim(
  { directory, clock }: SubstituteRequest,
  means: LockMeans,
  release: () => void,
): SubstituteHold | Claim {
  const path = lockOwnerPath(directory)
  const older = claimAt(path, means)
  if (older !== undefined) return older
  lockFiles.removeSync(path)
  const owner = lockFiles.createSync(path)
  // Another kind of opener came in between.
  if (owner === undefined) return { claim: path }
  const withdraw = (): void => {
    try {
      // One that was put in its place since is another's.
      if (lockFiles.identitySync(owner) === lockFiles.identitySync(path)) lockFiles.removeSync(path)
    } finally {
      lockFiles.closeSync(owner)
    }
  }
  let other: Claim | undefined = { claim: path }
  try {
    writeRecord(owner, clock, means)
    other = claimAt(lockPath(directory))
  } finally {
    if (other !== undefined) withdraw()
  }
  if (other !== undefined) return other
  return {
    owner,
    release: () => {
      try {
        withdraw()
      } finally {
        release()
      }
    },
  }
}

/** A reader leaves nothing behind, so a writer with other means does not see it. */
function look(directory: string, release: () => void): SubstituteHold | Claim {
  const writer = claimAt(lockPath(directory)) ?? claimAt(lockOwnerPath(directory))
  return writer ?? { owner: undefined, release }
}

interface Connection {
  exec(sql: string): void
  close(): void
}

interface SqliteModule {
  readonly DatabaseSync: new (path: string, options: { readonly readOnly: boolean }) => Connection
}

const SQLITE_BUSY = 5
/** The first page of an empty database is prepared, though never written: without this it would get a journal file. */
const LOCK_TO_WRITE = 'PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE'
const LOCK_TO_READ = 'BEGIN; SELECT count(*) FROM sqlite_schema'

/** The database stays empty, and alone. */
export const sqliteLock: Substitute = {
  means: 'sqlite',
  async take(directory, mode) {
    const sqlite = process.getBuiltinModule('node:sqlite') as SqliteModule | undefined
    if (sqlite === undefined) return undefined
    const path = lockDatabasePath(directory)
    const kind = lockFiles.kindSync(path)
    if (kind === undefined && mode === 'shared') {
      const what = `A reader locks ${path}, which is not there, and creates nothing`
      throw lockUnavailable(what)
    }
    if (kind !== undefined && kind !== 'file') throw lockUnavailable(`${path} is no regular file`)
    let connection: Connection | undefined
    let taken = false
    try {
      connection = new sqlite.DatabaseSync(path, { readOnly: mode === 'shared' })
      connection.exec(mode === 'exclusive' ? LOCK_TO_WRITE : LOCK_TO_READ)
      if (kind === undefined) lockFiles.makePrivateSync(path)
      taken = true
    } catch (error) {
      if (isBusy(error)) return 'held'
      const reason = error instanceof Error ? error.message : String(error)
      throw lockUnavailable(`SQLite could not lock ${path} (${reason})`)
    } finally {
      if (!taken) connection?.close()
    }
    const held = connection
    return () => held.close()
  },
}

function isBusy(error: unknown): boolean {
  const code = error instanceof Error && 'errcode' in error ? error.errcode : undefined
  return typeof code === 'number' && (code & 0xff) === SQLITE_BUSY
}

/** The whole of sun_path: Node releases fill up a shorter name differently, and would not meet. */
const SOCKET_NAME_BYTES = 108

/** It cannot be shared, so here a reader keeps other readers out too. */
export const socketLock: Substitute = {
  means: 'socket',
  take(directory) {
    if (process.platform !== 'linux') return Promise.resolve(undefined)
    const identity = lockFiles.identitySync(directory)
    const path = `\0sett ${identity} `.padEnd(SOCKET_NAME_BYTES, '.')
    const server = createServer((caller) => caller.destroy())
    return new Promise((resolve, reject) => {
      server.on('error', (error: NodeJS.ErrnoException) => {
        if (error.code === 'EADDRINUSE') resolve('held')
        else reject(lockUnavailable(`No socket could be had as a lock (${error.code})`))
      })
      // Workers of a cluster would otherwise be given one socket together.
      server.listen({ path, exclusive: true }, () => resolve(() => void server.close()))
      server.unref()
    })
  },
}

export const SYSTEM_SUBSTITUTES: readonly Substitute[] = [sqliteLock, socketLock]
