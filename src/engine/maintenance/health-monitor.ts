// Looks after a database's health: gathers the facts, remembers what needs two looks, and tells when the warnings are
// others than before. Main thread. It has no timer of its own: whoever installs something, or asks, makes it look.
import type { Clock } from '../../base/clock.ts'
import type { Logger } from '../../base/logger.ts'
import type { CacheStats } from '../../sstable/block-cache.ts'
import type { HealthReport, HealthWarning, WarningCode, WarningNotice } from '../types.ts'
import { CACHE_LOOKUPS, checkHealth, type HealthFacts } from './health-check.ts'

/** Facts that are there to be read at any moment. */
export type PlainFacts = Omit<HealthFacts, 'oldestPinMs' | 'cache'>

export interface HealthMonitorParts {
  readonly clock: Clock
  readonly logger: Logger
  readonly facts: () => PlainFacts
  readonly oldestPin: () => number | undefined
  readonly cache: () => CacheStats
  readonly cacheBytes: number
  readonly tell: (notice: WarningNotice) => void
}

/** Whoever met these has logged them, with more than a warning says. */
const LOGGED_BEFORE: ReadonlySet<WarningCode> = new Set([
  'disk-slow',
  'background-failing',
  'writes-refused',
  'damage-found',
])

const LOG_AGAIN_MS = 60_000

/** Slots that are never all in use count as full from here on. */
const FULL_SHARE = 0.9

export class HealthMonitor {
  readonly #parts: HealthMonitorParts
  /** Codes of the last notice. */
  #told = ''
  readonly #loggedAt = new Map<WarningCode, number>()
  #pin: { readonly version: number; readonly since: number } | undefined
  /** Where the window of cache lookups began, and what the last whole one showed. */
  #windowFrom = { hits: 0, misses: 0 }
  #window = { lookups: 0, hits: 0 }

  constructor(parts: HealthMonitorParts) {
    this.#parts = parts
  }

  look(): HealthReport {
    const { facts, cache, cacheBytes } = this.#parts
    const { hits, misses, bytes } = cache()
    this.#slide(hits, misses)
    const full = bytes >= cacheBytes * FULL_SHARE
    const oldestPinMs = this.#pinAge()
    const report = checkHealth({ ...facts(), oldestPinMs, cache: { ...this.#window, full } })
    this.#tellChange(report)
    return report
  }

  #slide(hits: number, misses: number): void {
    const from = this.#windowFrom
    const lookups = hits + misses - from.hits - from.misses
    if (lookups < CACHE_LOOKUPS) return
    this.#window = { lookups, hits: hits - from.hits }
    this.#windowFrom = { hits, misses }
  }

  /** Since it was first seen here: it may be older. */
  #pinAge(): number {
    const now = this.#parts.clock.monotonicMs()
    const version = this.#parts.oldestPin()
    if (version === undefined) this.#pin = undefined
    else if (this.#pin?.version !== version) this.#pin = { version, since: now }
    return this.#pin === undefined ? 0 : now - this.#pin.since
  }

  #tellChange(report: HealthReport): void {
    const codes = report.warnings.map(({ code }) => code).join()
    if (codes === this.#told) return
    this.#told = codes
    for (const warning of report.warnings) this.#log(warning)
    this.#parts.tell({ event: 'warning', ...report })
  }

  /** What comes and goes fills no log. */
  #log({ code, message, nextStep }: HealthWarning): void {
    const { clock, logger } = this.#parts
    const now = clock.monotonicMs()
    const loggedAt = this.#loggedAt.get(code) ?? Number.NEGATIVE_INFINITY
    if (LOGGED_BEFORE.has(code) || now - loggedAt < LOG_AGAIN_MS) return
    this.#loggedAt.set(code, now)
    logger.warn({ code }, `${message} ${nextStep}`)
  }
}
