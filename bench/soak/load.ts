// The load of a soak: what is written, read and deleted, each answer held against the model. Every lane has keys of its
// own and awaits each call, so that what must be there is known exactly.
import { setTimeout as delay } from 'node:timers/promises'
import type { Database } from 'sett'
import { shuffled, words } from '../data/random.ts'
import type { Between, Checker, Claim, KeyModel } from './key-model.ts'

export type SoakDatabase = Database<Uint8Array, Uint8Array>

const LANES = 64
const FILL_LANES = 4
const BATCH = 64
/** Of a hundred operations of the mixed load; the rest are reads. */
const PUTS = 50
const EXPIRING = 8
const DELETES = 8
const TTL_MS = { least: 1_000, most: 5_000 } as const
/** What is overwritten while a snapshot is held has to stay: held for long, it would be the space that is measured. */
const SNAPSHOT_EVERY_MS = 20_000
const SNAPSHOT_HELD_MS = 1_000
const SNAPSHOT_KEYS = 64

export interface LoadParts {
  readonly db: SoakDatabase
  readonly model: KeyModel
  readonly checker: Checker
  readonly seed: number
}

export class Load {
  operations = 0
  puts = 0
  deletes = 0
  snapshots = 0
  /** Keys and values of puts, keys of deletes. */
  userBytes = 0
  /** How often every key was put by `write`; a fraction while it runs. */
  rounds = 0
  /** Of the time of `mixed`, 0 to 1. */
  share = 0
  readonly #parts: LoadParts
  readonly #random: () => number
  readonly #held = new Set<Promise<void>>()

  constructor(parts: LoadParts) {
    this.#parts = parts
    this.#random = words(parts.seed)
  }

  /** Puts every key once, in an order of its own for each `pass`, in batches. */
  async write(pass: number): Promise<void> {
    const { model, seed } = this.#parts
    const order = shuffled(model.count, seed + pass)
    let at = 0
    const lane = async (): Promise<void> => {
      while (at < order.length) {
        const some = order.subarray(at, at + BATCH)
        at += some.length
        await this.#putMany(some)
        this.rounds += some.length / order.length
      }
    }
    await Promise.all(Array.from({ length: FILL_LANES }, lane))
  }

  async #putMany(indexes: Uint32Array): Promise<void> {
    const { db, model } = this.#parts
    const sizes = Array.from(indexes, () => this.#anySize())
    const puts = Array.from(indexes, (index, at) => ({
      type: 'put' as const,
      key: model.key(index),
      value: model.next(index, sizes[at]!),
    }))
    await db.batch(puts)
    indexes.forEach((index, at) => {
      model.wrote(index, sizes[at]!)
      this.#countPut(index, sizes[at]!)
    })
  }

  /** Overwrites, deletes, puts that expire and reads of random keys, with a snapshot now and then, for so long. */
  async mixed(ms: number): Promise<void> {
    const { model } = this.#parts
    const end = performance.now() + ms
    const lanes = Math.min(LANES, model.count)
    let snapshotAt = performance.now() + Math.min(SNAPSHOT_EVERY_MS, ms / 4)
    const lane = async (_: unknown, own: number): Promise<void> => {
      const keys = Math.ceil((model.count - own) / lanes)
      const any = (): number => own + lanes * (this.#random() % keys)
      for (let now = performance.now(); now < end; now = performance.now()) {
        if (now >= snapshotAt) {
          snapshotAt = now + SNAPSHOT_EVERY_MS
          this.#holdSnapshot(any, Math.min(SNAPSHOT_HELD_MS, ms / 4))
        }
        await this.#one(any())
        this.share = 1 - (end - now) / ms
      }
    }
    await Promise.all(Array.from({ length: lanes }, lane))
    await Promise.all(this.#held)
    this.share = 1
  }

  async #one(index: number): Promise<void> {
    const { db, model } = this.#parts
    const what = this.#random() % 100
    if (what < PUTS) {
      const size = this.#anySize()
      await db.put(model.key(index), model.next(index, size))
      model.wrote(index, size)
      this.#countPut(index, size)
    } else if (what < PUTS + EXPIRING) {
      await this.#putExpiring(index)
    } else if (what < PUTS + EXPIRING + DELETES) {
      await db.del(model.key(index))
      model.deleted(index)
      this.operations++
      this.deletes++
      this.userBytes += model.key(index).length
    } else {
      await this.#read(index)
      this.operations++
    }
  }

  async #putExpiring(index: number): Promise<void> {
    const { db, model } = this.#parts
    const size = this.#anySize()
    const ttl = TTL_MS.least + (this.#random() % (TTL_MS.most - TTL_MS.least))
    const from = Date.now() + ttl
    await db.put(model.key(index), model.next(index, size), { ttl })
    model.wrote(index, size, { from, until: Date.now() + ttl })
    this.#countPut(index, size)
  }

  async #read(index: number): Promise<void> {
    const { db, model, checker } = this.#parts
    const from = Date.now()
    const found = await db.get(model.key(index))
    checker.check(model.claim(index, { from, until: Date.now() }), found, 'read')
  }

  /** Of keys that nobody else writes at this moment; read again after a while, whatever was written since. */
  #holdSnapshot(any: () => number, heldMs: number): void {
    const { db, model } = this.#parts
    const from = Date.now()
    const snapshot = db.snapshot()
    const looked: Between = { from, until: Date.now() }
    const claims = Array.from({ length: SNAPSHOT_KEYS }, () => model.claim(any(), looked))
    this.snapshots++
    const held = this.#readLater(snapshot, claims, heldMs).finally(() => this.#held.delete(held))
    this.#held.add(held)
  }

  async #readLater(
    snapshot: ReturnType<SoakDatabase['snapshot']>,
    claims: readonly Claim[],
    heldMs: number,
  ): Promise<void> {
    const { db, model, checker } = this.#parts
    await delay(heldMs)
    for (const claim of claims) {
      checker.check(claim, await db.get(model.key(claim.index), { snapshot }), 'snapshot')
    }
    await snapshot.close()
  }

  #anySize(): number {
    return this.#random() % this.#parts.model.sizes.length
  }

  #countPut(index: number, size: number): void {
    const { model } = this.#parts
    this.operations++
    this.puts++
    this.userBytes += model.key(index).length + model.sizes[size]!
  }
}

const SCAN_PAGE = 256

/** The whole database, entry by entry; `where` names it in mistakes. */
export async function scanAll(
  { db, model, checker }: Omit<LoadParts, 'seed'>,
  where: string,
): Promise<void> {
  const scan = checker.scan(model, Date.now(), where)
  const entries = db.iterator({})
  try {
    for (;;) {
      const page = await entries.nextv(SCAN_PAGE)
      if (page.length === 0) break
      for (const [key, value] of page) scan.entry(key, value)
    }
  } finally {
    await entries.close()
  }
  scan.end(Date.now())
}
