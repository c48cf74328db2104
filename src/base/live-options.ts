// The options of an open database: as open resolved them, and as tune() changed them since. Main thread. Everybody
// reads through `current`, which stays one object: whoever copies a field of a live option keeps an old value.
import { type ResolvedOptions, tunedOptions } from './options.ts'

export class LiveOptions {
  /** The values in force. Only this class writes it. */
  readonly current: ResolvedOptions
  /** As they were when the database was opened: memory was laid out by them. */
  readonly opened: ResolvedOptions

  constructor(opened: ResolvedOptions) {
    this.opened = opened
    this.current = { ...opened }
  }

  /** All of the changes or, when one is refused, none. `check` throws for what this database cannot follow. */
  tune(changes: unknown, check: (next: ResolvedOptions) => void): void {
    const next = tunedOptions(this.current, changes)
    check(next)
    Object.assign(this.current, next)
  }
}
