// What a look at a database directory brings to light, in words, each with what to do next. No key or value in it.

/** `problem`: it will not open, or not everything can be read; `warning`: it works and should not stay so. */
export type Severity = 'problem' | 'warning' | 'note'

export interface Finding {
  readonly severity: Severity
  /** Path; the directory itself if it concerns the whole. */
  readonly file: string
  /** Bytes from the start of the file, where that says something. */
  readonly offset?: number
  readonly what: string
  readonly next: string
}

export interface KindSizes {
  readonly files: number
  readonly bytes: number
}

export interface DoctorReport {
  readonly directory: string
  /** No problem and no warning. */
  readonly healthy: boolean
  readonly lock: {
    readonly state: 'free' | 'held' | 'stale' | 'unknown'
    readonly pid?: number
    readonly host?: string
    readonly since?: string
  }
  /** Of the manifest CURRENT leads to; undefined: none can be read. */
  readonly manifest?: {
    readonly number: number
    readonly formatVersion: number
    readonly lastEdit: number
    readonly closedCleanly: boolean
    readonly tables: number
    readonly logs: number
    readonly segments: number
  }
  readonly sizes: {
    readonly tables: KindSizes
    readonly logs: KindSizes
    /** Of the value log. */
    readonly segments: KindSizes
    readonly manifests: KindSizes
    readonly others: KindSizes
  }
  readonly freeBytes: number
  readonly findings: readonly Finding[]
}

export class Findings {
  readonly all: Finding[] = []

  problem(file: string, what: string, next: string, offset?: number): void {
    this.#add('problem', { file, what, next, ...(offset === undefined ? {} : { offset }) })
  }

  warning(file: string, what: string, next: string): void {
    this.#add('warning', { file, what, next })
  }

  note(file: string, what: string, next: string, offset?: number): void {
    this.#add('note', { file, what, next, ...(offset === undefined ? {} : { offset }) })
  }

  #add(severity: Severity, finding: Omit<Finding, 'severity'>): void {
    this.all.push({ severity, ...finding })
  }
}

export const REPAIR_NEXT =
  'Restore the directory from a backup; without one, copy it away and run: sett repair'
