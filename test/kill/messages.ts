// What parent, writer and verifier say to each other. Progress of a writer goes as 5-byte records through a pipe,
// written synchronously: what was said before SIGKILL arrives.

export interface WriterOrder {
  readonly directory: string
  readonly options: Readonly<Record<string, unknown>>
  readonly seed: number
  readonly firstNumber: number
  /** Commits in flight at the same time. */
  readonly lanes: number
}

export interface VerifierOrder {
  readonly directory: string
  readonly options: Readonly<Record<string, unknown>>
}

export interface VerifierReply {
  readonly error?: string
  readonly keys: readonly string[]
  /** Per key: the tag of its value, -1 for bytes no commit wrote. */
  readonly tags: readonly number[]
  readonly flushes: number
  readonly tables: number
}

export const RECORD_BYTES = 5
export const RECORD = { ready: 1, announced: 2, acked: 3, failed: 4, flushed: 5 } as const
export const PROGRESS_DESCRIPTOR = 3
