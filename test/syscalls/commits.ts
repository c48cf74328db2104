// Commits of the processes that real faults are injected into, made from their number alone, and the oracle: what may
// and must be found after them. Every value says which commit wrote it.
import { prng } from '../model/prng.ts'

const KEYS = 40

export interface NumberedCommit {
  /** One key, or two that are only ever written together. */
  readonly keys: readonly string[]
  readonly value: string
}

export function commitOf(number: number): NumberedCommit {
  const random = prng(7, number)
  const key = random.below(KEYS)
  const pair = key % 4 === 0
  const length = random.chance(0.1) ? 4_000 + random.below(8_000) : random.below(400)
  const value = `${number} ${String.fromCharCode(97 + (number % 26)).repeat(length)}`
  return { keys: pair ? [`pair ${key} a`, `pair ${key} b`] : [`key ${key}`], value }
}

/** How a commit ended, as far as the process could tell. */
export type Outcome = 'acked' | 'unknown' | 'refused'

/** Codes that promise that the commit was not stored. */
export const NOT_STORED: ReadonlySet<string> = new Set(['SETT_DISK_FULL', 'LEVEL_IO_ERROR'])

/** What is known about a directory, from one process to the next. */
export class Oracle {
  /** By key, commits that may be what it holds, oldest first; the first is the newest that must be there, or 0. */
  readonly #candidates = new Map<string, number[]>()
  commits = 0
  acked = 0

  /** In the order in which they were announced. */
  add(number: number, outcome: Outcome): void {
    this.commits += 1
    if (outcome === 'acked') this.acked += 1
    if (outcome === 'refused') return
    for (const key of commitOf(number).keys) {
      const before = outcome === 'acked' ? [] : (this.#candidates.get(key) ?? [0])
      this.#candidates.set(key, [...before, number])
    }
  }

  /** What is wrong with a content; what is right is what must be there from now on. */
  judge(content: ReadonlyMap<string, string>): string[] {
    const wrong: string[] = []
    for (const key of new Set([...this.#candidates.keys(), ...content.keys()])) {
      const value = content.get(key)
      const number = value === undefined ? 0 : Number.parseInt(value, 10)
      const candidates = this.#candidates.get(key) ?? [0]
      if (!candidates.includes(number)) {
        wrong.push(`${key}: commit ${number} instead of one of ${candidates}`)
      } else if (value !== undefined && value !== commitOf(number).value) {
        wrong.push(`${key}: not the bytes of commit ${number}`)
      }
      this.#candidates.set(key, [number])
    }
    for (const [key, value] of content) {
      if (key.endsWith(' a') && content.get(`${key.slice(0, -1)}b`) !== value) {
        wrong.push(`${key}: its commit is torn`)
      }
    }
    return wrong
  }
}
