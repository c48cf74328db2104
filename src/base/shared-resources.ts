// Memory and workers that several databases share. Main thread. Keeps the account of what is taken; owns no memory,
// file or thread itself, so there is nothing to close.
import { availableParallelism } from 'node:os'
import { SettError } from './errors.ts'
import { MEMORY_BUDGET_MIN, WORKERS_MAX } from './limits.ts'

export interface ResourcesOptions {
  /** Bytes for the memory budgets of all databases together; at least 8 MiB. */
  readonly memoryBudget: number
  /** Most background jobs of all databases at one time, 0 to 128; 0: all work is done on the calling thread. Default
   * `'cores'`: one per core. */
  readonly workers?: number | 'cores' | undefined
}

export interface ResourcesStats {
  /** Databases open. */
  readonly databases: number
  readonly memoryBudget: number
  /** Sum of the open databases' budgets. */
  readonly memoryTaken: number
  readonly workers: number
  /** Background jobs running now. */
  readonly jobs: number
}

/** How many jobs run under a common limit. */
export interface WorkerShare {
  readonly limit: number
  /** Written by the scheduler of jobs only. */
  running: number
}

/** A database that names no budget takes one part in so many of the whole. */
export const DEFAULT_PARTS = 4

/** What `createResources()` makes, for the option `resources` of several databases. */
export interface Resources {
  readonly memoryBudget: number
  readonly workers: number
  stats(): ResourcesStats
}

export class SharedResources implements Resources {
  readonly memoryBudget: number
  readonly workers: number
  /** Of the jobs of all its databases. */
  readonly share: WorkerShare
  #databases = 0
  #taken = 0

  /** Checked options only: see createResources(). */
  constructor(memoryBudget: number, workers: number) {
    this.memoryBudget = memoryBudget
    this.workers = workers
    this.share = { limit: workers, running: 0 }
  }

  stats(): ResourcesStats {
    const { memoryBudget, workers, share } = this
    const taken = { databases: this.#databases, memoryTaken: this.#taken }
    return { ...taken, memoryBudget, workers, jobs: share.running }
  }

  /** For a database that opens: takes its budget; the answer gives it back, once. Throws SETT_OUT_OF_MEMORY. */
  take(bytes: number): () => void {
    const left = this.memoryBudget - this.#taken
    if (bytes > left) {
      throw new SettError(
        'SETT_OUT_OF_MEMORY',
        `The database wants a memoryBudget of ${bytes} bytes, but of the ${this.memoryBudget} bytes of its ` +
          `'resources' only ${left} are left; ${this.#databases} open databases have the rest. Close one, give the ` +
          'databases smaller budgets, or create larger resources.',
      )
    }
    this.#taken += bytes
    this.#databases += 1
    let held = true
    return () => {
      if (!held) return
      held = false
      this.#taken -= bytes
      this.#databases -= 1
    }
  }
}

/**
 * Makes memory and workers that several databases share: give the result to each as the option `resources`. A
 * database takes its `memoryBudget` while it is open; without that option, a quarter of the whole, but not more than
 * its preset says. One that finds too little left does not open (SETT_OUT_OF_MEMORY). At most `workers` jobs of all
 * these databases run at one time, and each gets its turn. Throws SETT_INVALID_OPTION.
 */
export function createResources(options: ResourcesOptions): Resources {
  const { memoryBudget, workers = 'cores' } = own(options)
  if (!isWhole(memoryBudget, MEMORY_BUDGET_MIN, Number.MAX_SAFE_INTEGER)) {
    throw invalid(
      `'memoryBudget' must be a whole number of bytes, at least ${MEMORY_BUDGET_MIN} (8 MiB)`,
    )
  }
  const count = workers === 'cores' ? workersOfCores() : workers
  if (!isWhole(count, 0, WORKERS_MAX)) {
    throw invalid(`'workers' must be a whole number from 0 to ${WORKERS_MAX}, or 'cores'`)
  }
  return new SharedResources(memoryBudget, count)
}

/** What `'cores'` stands for: one per core, as far as may be. */
export function workersOfCores(): number {
  return Math.min(availableParallelism(), WORKERS_MAX)
}

const NAMES: ReadonlySet<string> = new Set(['memoryBudget', 'workers'])

/** A copy that shows nothing of a prototype. */
function own(options: unknown): { readonly [Name in keyof ResourcesOptions]?: unknown } {
  if (typeof options !== 'object' || options === null || Array.isArray(options)) {
    throw invalid('they must be an object, such as { memoryBudget: 2 ** 30, workers: 2 }')
  }
  for (const name of Object.keys(options)) {
    if (!NAMES.has(name)) throw invalid("there are only 'memoryBudget' and 'workers'")
  }
  return Object.assign(Object.create(null), options)
}

function isWhole(value: unknown, min: number, max: number): value is number {
  return typeof value === 'number' && Number.isInteger(value) && value >= min && value <= max
}

function invalid(rule: string): SettError {
  return new SettError('SETT_INVALID_OPTION', `Options of createResources(): ${rule}.`)
}
