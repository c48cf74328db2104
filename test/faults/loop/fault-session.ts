// A session on a file system whose calls may fail. Nothing it is asked to do rejects: errors are looked at, and kept,
// and the ledger learns what became of each commit.
import { systemFailure } from '../../../src/api/system-failure.ts'
import { SettError, type SettErrorCode } from '../../../src/base/errors.ts'
import type { WriteOperation } from '../../../src/engine/types.ts'
import { DIRECTORY } from '../../crash/check.ts'
import { History } from '../../crash/history.ts'
import { halves, hashOf, Session } from '../../crash/session.ts'
import type { FaultFileSystem } from '../fault-file-system.ts'
import type { Call } from '../fault-rules.ts'
import type { Ledger } from './ledger.ts'

/** What an operation may end with when the system refuses a call. */
const REFUSALS: ReadonlySet<SettErrorCode> = new Set<SettErrorCode>([
  'LEVEL_IO_ERROR',
  'SETT_DISK_FULL',
  'SETT_POISONED',
])

export interface FaultSessionParts {
  readonly fs: FaultFileSystem
  readonly ledger: Ledger
  readonly seed: number
  readonly name: string
}

export class FaultSession extends Session {
  ledger: Ledger
  /** An open succeeded, and no close has come since. */
  opened = false
  poisoned = false
  /** Damage may be reported: the fault makes a whole file look short, or missing. */
  damageAllowed = false
  /** Codes of what was refused. */
  readonly refusals: SettErrorCode[] = []
  /** What must not have happened. */
  readonly violations: string[] = []
  /** Where in the calls each open began. */
  readonly #lives: number[] = []

  constructor({ fs, ledger, seed, name }: FaultSessionParts) {
    const settings = { durability: 'none', l0CompactTrigger: 4, separate: true } as const
    super({ fs, history: new History(), seed: seed + hashOf(name), name, settings })
    this.ledger = ledger
  }

  /** The calls from each open to the next. */
  callsByLife(): Call[][] {
    const { calls } = this.fs
    return this.#lives.map((from, i) => calls.slice(from, this.#lives[i + 1]))
  }

  override async open(): Promise<void> {
    this.poisoned = false
    this.#lives.push(this.fs.calls.length)
    await this.#attempt('open', async () => {
      await super.open()
      this.opened = true
    })
  }

  override async commit(
    operations: readonly WriteOperation[],
    durability: 'sync' | 'none' = 'none',
  ): Promise<void> {
    await this.#handed(operations, durability, () => this.engine.batch(operations, { durability }))
  }

  override async stream(key: string, value: string, ended: Promise<unknown>): Promise<void> {
    const { input, taken } = halves(value, ended)
    const streamed = this.engine.putStream(key, input, { durability: 'none' })
    await Promise.race([taken, streamed.catch(() => undefined)])
    await this.#handed([{ type: 'put', key, value }], 'none', () => streamed)
  }

  async #handed(
    operations: readonly WriteOperation[],
    durability: 'sync' | 'none',
    begin: () => Promise<void>,
  ): Promise<void> {
    // It only numbers the commits, so that no two values are alike.
    this.history.hand(operations, 0)
    const entry = this.ledger.hand(operations)
    let work: Promise<void>
    try {
      work = begin()
    } catch (error) {
      entry.outcome = 'rejected'
      this.#take('commit', error)
      return
    }
    await work.then(
      () => {
        entry.outcome = 'acked'
        if (durability === 'sync') entry.safety = 'power'
      },
      (error: unknown) => {
        this.#take('commit', error)
        const poisoned = error instanceof SettError && error.code === 'SETT_POISONED'
        entry.outcome = poisoned ? 'unknown' : 'rejected'
      },
    )
  }

  override async flush(): Promise<void> {
    await this.#allSafe('flush', () => this.engine.flush())
  }

  override async compact(): Promise<void> {
    await this.#allSafe('compact', () => this.engine.compactRange(undefined, undefined))
  }

  override async collectGarbage(): Promise<void> {
    await this.#attempt('collectGarbage', async () => void (await this.engine.collectGarbage(0)))
  }

  override async settle(): Promise<void> {
    await this.#attempt('settle', () => this.engine.settle())
  }

  override async close(): Promise<void> {
    if (!this.opened) return
    this.opened = false
    await this.#allSafe('close', () => this.engine.close())
  }

  /** Deletes everything, in one commit. */
  async clearAll(): Promise<void> {
    const { history, bounds } = this.ledger.live()
    const keys = [...history.content(bounds.most).keys()]
    const entry = this.ledger.hand(keys.map((key) => ({ type: 'del', key })))
    const { version } = this.engine
    const all = { keys: true, values: false, keyForm: 'utf8', valueForm: 'utf8' } as const
    await this.#attempt('clear', async () => {
      await this.engine.clear({ ...all, version, limit: -1 })
      entry.outcome = 'acked'
    })
    if (entry.outcome === 'pending') entry.outcome = this.poisoned ? 'unknown' : 'rejected'
  }

  async verify(): Promise<void> {
    await this.#attempt('verify', async () => {
      const { problems } = await this.engine.verify({})
      if (problems.length > 0 && !this.damageAllowed) {
        this.violations.push(`verify finds ${problems.length} problems in a sound database`)
      }
    })
  }

  /** Every key by get and by a scan: the right value, or a refusal. */
  async readAll(): Promise<void> {
    const { history, bounds } = this.ledger.live()
    const content = history.content(bounds.most)
    const compare = (what: string, key: unknown, value: unknown): void => {
      if (content.get(key as string) !== value) this.violations.push(`${what} of ${key} is wrong`)
    }
    for (const key of [...content.keys(), 'never written']) {
      await this.#attempt('getSync', () => {
        compare('getSync', key, this.engine.getSync(key, undefined, 'utf8'))
      })
      await this.#attempt('get', async () => {
        compare('get', key, await this.engine.get(key, undefined, 'utf8'))
      })
    }
    const forms = { keys: true, values: true, keyForm: 'utf8', valueForm: 'utf8' } as const
    const reader = this.engine.range({ ...forms, version: this.engine.version })
    let seen = 0
    let failed = false
    for (let page = 1; page > 0 && !failed; seen += page) {
      await this.#attempt('scan', () => {
        failed = true
        const pairs = reader.next(7)
        failed = false
        for (const [key, value] of pairs) compare('scan', key, value)
        page = pairs.length
      })
    }
    if (!failed && seen !== content.size) {
      this.violations.push(`a scan shows ${seen} of ${content.size}`)
    }
  }

  async #allSafe(what: string, work: () => Promise<void>): Promise<void> {
    const { acked } = this.ledger
    await this.#attempt(what, async () => {
      await work()
      // A poisoned database gives back what it holds, and promises nothing.
      if (!this.poisoned) for (const entry of acked) entry.safety = 'power'
    })
  }

  async #attempt(what: string, work: () => void | Promise<void>): Promise<void> {
    try {
      await work()
    } catch (error) {
      this.#take(what, error)
    }
  }

  #take(what: string, error: unknown): void {
    // As the public class hands them on.
    const told = ['open', 'close', 'verify'].includes(what)
      ? systemFailure(DIRECTORY, error)
      : error
    if (!(told instanceof SettError)) {
      this.violations.push(`${what} ended with ${told}`)
      return
    }
    const { code, message } = told
    this.refusals.push(code)
    if (code === 'SETT_POISONED') this.poisoned = true
    const legal = REFUSALS.has(code) || (this.damageAllowed && code === 'LEVEL_CORRUPTION')
    if (!legal) this.violations.push(`${what} ended with ${code} ${message}`)
  }
}
