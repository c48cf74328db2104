// What parent, writer and verifier say to each other. Progress of a writer goes as 5-byte records through a pipe,
// written synchronously: what was said before SIGKILL arrives.

export interface WriterOrder {
  readonly directory: string
  readonly options: Readonly<Record<string, unknown>>
  readonly seed: number
  readonly firstNumber: number
  /** Commits in flight at the same time. */
  readonly lanes: number
  /** After so many commits it closes the database and ends; undefined: never. */
  readonly closeAfter?: number
  /** It dies at this point of kill-points.ts. */
  readonly point?: { readonly index: number; readonly nth: number }
  /** It ends by itself, so long after the database was opened, in the middle of whatever it does. */
  readonly ending?: { readonly by: 'exit' | 'throw'; readonly afterMs: number }
}

export interface WriteRequest {
  readonly type: 'put' | 'del'
  readonly key: Buffer
  readonly value: Buffer
}

/** What a writer needs of a database. */
export interface CommitTarget {
  put(key: Buffer, value: Buffer): Promise<void>
  del(key: Buffer): Promise<void>
  batch(writes: WriteRequest[]): Promise<void>
  flush(): Promise<void>
  compactRange(): Promise<void>
  collectGarbage(): Promise<unknown>
  close(): Promise<void>
}

export interface VerifierOrder {
  readonly directory: string
  readonly options: Readonly<Record<string, unknown>>
}

export interface VerifierReply {
  readonly error?: string
  /** Of the error, or of what caused it. */
  readonly code?: string
  readonly keys: readonly string[]
  /** Per key: the tag of its value, -1 for bytes no commit wrote. */
  readonly tags: readonly number[]
  readonly flushes: number
  readonly tables: number
}

export const RECORD_BYTES = 5
export const RECORD = {
  ready: 1,
  announced: 2,
  acked: 3,
  failed: 4,
  flushed: 5,
  /** It kills itself now, at the point of that number. */
  struck: 6,
  closed: 7,
} as const
export const PROGRESS_DESCRIPTOR = 3

export function progressRecord(kind: number, number: number): Buffer {
  const record = Buffer.alloc(RECORD_BYTES)
  record[0] = kind
  record.writeUInt32LE(number, 1)
  return record
}
