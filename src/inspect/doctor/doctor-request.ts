// What a doctor's look is asked for and given.
import type { FileSystem } from '../../io/file-system.ts'
import type { LockState } from '../../io/lock-holder.ts'
import type { EntryFacts } from '../../io/node-file-system.ts'

export interface DoctorRequest {
  readonly fs: FileSystem
  readonly directory: string
  readonly lock: LockState
  /** Type and permissions of a path; undefined where files have none. */
  readonly facts?: (path: string) => EntryFacts | undefined
}
