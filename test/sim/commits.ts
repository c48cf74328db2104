// Hands commits to the engine, and checks what is told of each: when it is visible, with which version, in which order,
// and, of a commit that waited for the disk, that the disk has it.
import type { WriteOperation } from '../../src/engine/types.ts'
import { type Commit, KILL, POWER, type Safety, type Write } from './model.ts'
import type { Simulation } from './simulation.ts'

/** Time enough for some syncs. */
const MARGIN_MS = 50

export class Commits {
  /** Newest version the engine told of. */
  lastVersion = 0
  readonly #sim: Simulation
  #checkedAt = -1
  #acked = { newest: 0, moment: 0 }

  constructor(sim: Simulation) {
    this.#sim = sim
  }

  hand(given: readonly Write[], how: 'put' | 'del' | 'batch', durability?: 'sync' | 'none'): void {
    const { model, life } = this.#sim
    const open = life.stage === 'open'
    // While it closes nobody is told the time any more.
    const writes: readonly Write[] = open ? given : given.map(({ key, value }) => ({ key, value }))
    const { engine } = life
    const commit = model.hand(writes, false, open ? this.#sim.now() : 0)
    const safety: Safety = (durability ?? life.options.durability) === 'sync' ? POWER : KILL
    const onCommit = (version: number): void => {
      if (life.stage !== 'ended') this.#guard(() => this.#visible(commit.number, version, safety))
      if (life.stage !== 'ended') this.#guard(() => model.show(commit))
    }
    const options = durability === undefined ? { onCommit } : { onCommit, durability }
    const [first] = writes
    const ttl = first?.ttl === undefined ? {} : { ttl: first.ttl }
    const work =
      how === 'put'
        ? () => engine.put(first!.key, first!.value!, { ...options, ...ttl })
        : how === 'del'
          ? () => engine.del(first!.key, options)
          : () => engine.batch(writes.map(operationOf), options)
    this.#sim.begin(
      `commit ${commit.number}`,
      work,
      () => {
        if (!commit.visible) this.#sim.fail(`commit ${commit.number} is acked and not visible`)
        this.#inOrder(commit.number)
        model.promise(commit, safety)
        if (safety === KILL) this.#durableSoon(commit)
      },
      (code) => {
        // After a failed sync nobody can tell what is on disk.
        if (code !== 'SETT_POISONED') model.refuse(commit)
      },
    )
  }

  #visible(number: number, version: number, safety: Safety): void {
    if (version <= this.lastVersion) {
      this.#sim.fail(`commit ${number} has version ${version} after version ${this.lastVersion}`)
    }
    this.lastVersion = version
    this.#sim.log(`visible ${number} ${version}`)
    const { world } = this.#sim.life
    // A refused write leaves its half in the cache, until it is cut off, and that need not be durable.
    if (safety !== POWER || this.#sim.life.troubled || this.#checkedAt === world.events) return
    this.#checkedAt = world.events
    this.#sim.life.checkLogsDurable()
  }

  /** At an interval, what is acked is on disk soon, unless the disk has its own ideas. */
  #durableSoon(commit: Commit): void {
    const { life, model } = this.#sim
    const { durability } = life.options
    if (typeof durability !== 'object') return
    const promise = (): void => {
      if (life.stage === 'ended' || life.disturbed) return
      // It may be the sync that was overtaken, again and again.
      if (life.world.late) life.world.after(MARGIN_MS, promise)
      else model.promise(commit, POWER)
    }
    // Once more, for the timer may have been late.
    life.world.after(durability.interval + MARGIN_MS, () => life.world.after(MARGIN_MS, promise))
  }

  /** Acks of one moment may come in any order. */
  #inOrder(number: number): void {
    const { events } = this.#sim.life.world
    const { newest, moment } = this.#acked
    if (number > newest) this.#acked = { newest: number, moment: events }
    else if (moment !== events) this.#sim.fail(`commit ${number} is acked after commit ${newest}`)
  }

  #guard(work: () => void): void {
    try {
      work()
    } catch (error) {
      this.#sim.fail('', error)
    }
  }
}

function operationOf({ key, value, ttl }: Write): WriteOperation {
  return value === undefined ? { type: 'del', key } : { type: 'put', key, value, ttl }
}
