// Rounds in which processes try to open one directory at the same moment. One may have it, or, where readers race too,
// readers only; the others are told who. Then the winner closes, is stopped for a while, or is killed, after which the
// next may have it at once and finds what was acknowledged.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { scratchDirectory } from '../model/scratch-directory.ts'
import type { RacerReply } from './messages.ts'
import { RacerProcess } from './racer-process.ts'

export interface RaceOptions {
  readonly rounds: number
  readonly processes: number
  readonly program: URL
  readonly log: (line: string) => void
}

export interface RaceTotals {
  rounds: number
  won: number
  /** Openers turned away with the winner's pid. */
  told: number
  readers: number
  kills: number
  stops: number
  acked: number
  /** From the kill to the next open database, ms. */
  readonly freedMs: number[]
  failures: number
}

/** Rounds end with a close or a kill; in some the winner is stopped for a while, in some readers race too. */
const KILL_EVERY = 3
const STOP_EVERY = 6
const READERS_EVERY = 10
/** All have the order by then. */
const START_DELAY_MS = 10

export async function race(options: RaceOptions): Promise<RaceTotals> {
  const folder = scratchDirectory('race')
  const directory = join(folder, 'db')
  mkdirSync(directory)
  const race = new Race(options, directory)
  try {
    for (let round = 0; round < options.rounds; round++) await race.round(round)
  } finally {
    await race.end()
    rmSync(folder, { recursive: true })
  }
  return race.totals
}

/** Of `count` values, the one that a share of them does not exceed. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0
}

class Race {
  readonly totals: RaceTotals = {
    rounds: 0,
    won: 0,
    told: 0,
    readers: 0,
    kills: 0,
    stops: 0,
    acked: 0,
    freedMs: [],
    failures: 0,
  }
  readonly #options: RaceOptions
  readonly #directory: string
  readonly #racers: RacerProcess[]
  /** Takes the place of the next one that is killed. */
  #spare: RacerProcess

  constructor(options: RaceOptions, directory: string) {
    this.#options = options
    this.#directory = directory
    const start = (): RacerProcess => new RacerProcess(options.program)
    this.#racers = Array.from({ length: options.processes }, start)
    this.#spare = start()
  }

  async round(round: number): Promise<void> {
    const { totals } = this
    totals.rounds++
    const withReaders = round % READERS_EVERY === READERS_EVERY - 1
    const replies = await this.#start((racer) => withReaders && racer % 2 === 0)
    const winners = this.#racers.filter((_, i) => 'done' in replies[i]!)
    const [winner] = winners
    const index = winner === undefined ? -1 : this.#racers.indexOf(winner)
    const readersWon = withReaders && index % 2 === 0
    this.#expect(round, winner !== undefined, 'nobody got it')
    if (winner === undefined) return
    if (readersWon) {
      const writers = winners.filter((each) => this.#racers.indexOf(each) % 2 === 1)
      this.#expect(round, writers.length === 0, 'a writer got it beside readers')
      totals.readers += winners.length
      for (const reader of winners) await this.#do(round, reader, { kind: 'close' })
      return
    }
    this.#expect(round, winners.length === 1, `${winners.length} got it`)
    totals.won++
    this.#judgeRefusals(round, winner, replies)
    await this.#put(round, winner)
    if (round % STOP_EVERY === STOP_EVERY - 2) await this.#stop(round, winner)
    if (round % KILL_EVERY === KILL_EVERY - 1) await this.#kill(round, winner)
    else await this.#do(round, winner, { kind: 'close' })
  }

  async end(): Promise<void> {
    await Promise.all([...this.#racers, this.#spare].map((racer) => racer.kill()))
  }

  async #start(readOnly: (racer: number) => boolean): Promise<RacerReply[]> {
    await Promise.all(this.#racers.map((racer) => racer.ready))
    const at = Date.now() + START_DELAY_MS
    const directory = this.#directory
    return Promise.all(
      this.#racers.map((racer, i) =>
        racer.order({ kind: 'open', directory, at, readOnly: readOnly(i) }),
      ),
    )
  }

  #judgeRefusals(round: number, winner: RacerProcess, replies: readonly RacerReply[]): void {
    for (const reply of replies) {
      if ('done' in reply) continue
      const named = reply.message.includes(`process ${winner.pid} on `)
      const told = reply.code === 'LEVEL_LOCKED' && named
      this.#expect(round, told, `${reply.code}: ${reply.message}`)
      if (told) this.totals.told++
    }
  }

  /** A stopped process keeps what it has. */
  async #stop(round: number, winner: RacerProcess): Promise<void> {
    winner.signal('SIGSTOP')
    const other = this.#racers.find((racer) => racer !== winner)!
    const reply = await other.order({ kind: 'open', directory: this.#directory })
    winner.signal('SIGCONT')
    this.#judgeRefusals(round, winner, [reply])
    this.#expect(round, !('done' in reply), 'a stopped process lost it')
    await this.#put(round, winner)
    this.totals.stops++
  }

  async #kill(round: number, winner: RacerProcess): Promise<void> {
    const { totals } = this
    const before = performance.now()
    await winner.kill()
    const heir = this.#racers.find((racer) => racer !== winner)!
    await this.#do(round, heir, { kind: 'open', directory: this.#directory })
    totals.freedMs.push(performance.now() - before)
    totals.kills++
    const reply = await heir.order({ kind: 'keys' })
    const found = 'done' in reply ? (reply.keys ?? []) : []
    this.#expect(round, found.length === totals.acked, `${found.length} of ${totals.acked} keys`)
    await this.#do(round, heir, { kind: 'close' })
    this.#racers[this.#racers.indexOf(winner)] = this.#spare
    this.#spare = new RacerProcess(this.#options.program)
  }

  async #put(round: number, winner: RacerProcess): Promise<void> {
    const { totals } = this
    await this.#do(round, winner, { kind: 'put', key: `key ${totals.acked}` })
    totals.acked++
  }

  async #do(
    round: number,
    racer: RacerProcess,
    order: Parameters<RacerProcess['order']>[0],
  ): Promise<void> {
    const reply = await racer.order(order)
    if ('code' in reply) this.#expect(round, false, `${order.kind}: ${reply.code} ${reply.message}`)
  }

  #expect(round: number, held: boolean, otherwise: string): void {
    if (held) return
    this.totals.failures++
    this.#options.log(`round ${round}: ${otherwise}`)
  }
}
