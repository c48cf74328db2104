// What the six workloads of YCSB do, as its core package defines them: shares of operations and how records are chosen.
import { LatestZipfian, ScrambledZipfian } from '../../data/zipfian.ts'

export const YCSB_OPERATIONS = ['read', 'update', 'insert', 'scan', 'rmw'] as const
/** `rmw`: reads a record and writes it back changed. */
export type YcsbOperation = (typeof YCSB_OPERATIONS)[number]

export interface YcsbMix {
  readonly letter: string
  readonly title: string
  /** Add up to 1. */
  readonly shares: { readonly [Operation in YcsbOperation]?: number }
  /** `zipfian`: popular records lie anywhere; `latest`: the newest are the most popular. */
  readonly choice: 'zipfian' | 'latest'
}

/** In the order its authors recommend: what inserts comes last. */
export const YCSB_MIXES: readonly YcsbMix[] = [
  mix('A', '50 % read, 50 % update', { read: 0.5, update: 0.5 }),
  mix('B', '95 % read, 5 % update', { read: 0.95, update: 0.05 }),
  mix('C', '100 % read', { read: 1 }),
  mix('F', '50 % read, 50 % read-modify-write', { read: 0.5, rmw: 0.5 }),
  mix('D', '95 % read of the latest, 5 % insert', { read: 0.95, insert: 0.05 }, 'latest'),
  mix('E', '95 % scan of 1 to 100, 5 % insert', { scan: 0.95, insert: 0.05 }),
]

export const YCSB_LOAD: YcsbMix = mix('load', 'all records inserted one by one', { insert: 1 })

export const SCAN_LENGTH_MAX = 100
const WORD = 2 ** 32

function mix(
  letter: string,
  title: string,
  shares: YcsbMix['shares'],
  choice: YcsbMix['choice'] = 'zipfian',
): YcsbMix {
  return { letter, title, shares, choice }
}

/** Draws a mix's operations; the same in every process for the same words. */
export class YcsbDraws {
  readonly #random: () => number
  /** Operation and the upper end of its part of 0 … 1. */
  readonly #parts: readonly (readonly [YcsbOperation, number])[]
  readonly #record: (acknowledged: number) => number

  /** `records`: in the store at the start; `random` gives 32-bit words. */
  constructor({ shares, choice }: YcsbMix, records: number, random: () => number) {
    this.#random = random
    let end = 0
    this.#parts = YCSB_OPERATIONS.map((operation) => {
      end += shares[operation] ?? 0
      return [operation, end]
    })
    if (choice === 'latest') {
      const latest = new LatestZipfian(random)
      this.#record = (acknowledged) => latest.next(acknowledged - 1)
    } else {
      const zipfian = new ScrambledZipfian(records, random)
      this.#record = () => zipfian.next()
    }
  }

  operation(): YcsbOperation {
    const point = this.#random() / WORD
    return this.#parts.find(([, end]) => point < end)![0]
  }

  /** The record to read, update or scan from, below `acknowledged`, which may only grow. */
  record(acknowledged: number): number {
    return this.#record(acknowledged)
  }

  /** 1 … 100, all as often. */
  scanLength(): number {
    return 1 + (this.#random() % SCAN_LENGTH_MAX)
  }
}
