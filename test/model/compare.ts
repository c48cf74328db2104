// Compares what the database answered with what the sorted map holds. Keys are latin1 strings on the map's side.
import type { AbstractIterator } from 'abstract-level'
import type { Bounds, Pair } from './sorted-map.ts'
import type { Store } from './store.ts'

export type PairIterator = AbstractIterator<Store, Buffer, Buffer>

export type ByteBounds = Readonly<{ [name in 'gt' | 'gte' | 'lt' | 'lte']?: Buffer }> & {
  readonly reverse?: boolean
  readonly limit?: number
}

export function byteBounds({ gt, gte, lt, lte, reverse, limit }: Bounds): ByteBounds {
  return {
    ...(gt === undefined ? {} : { gt: bytesOf(gt) }),
    ...(gte === undefined ? {} : { gte: bytesOf(gte) }),
    ...(lt === undefined ? {} : { lt: bytesOf(lt) }),
    ...(lte === undefined ? {} : { lte: bytesOf(lte) }),
    ...(reverse === undefined ? {} : { reverse }),
    ...(limit === undefined ? {} : { limit }),
  }
}

/** A seek target outside the range ends the iterator. */
export function outside(target: string, { gt, gte, lt, lte }: Bounds): boolean {
  if (gte !== undefined ? target < gte : gt !== undefined && target <= gt) return true
  return lt !== undefined ? target >= lt : lte !== undefined && target > lte
}

export async function pages(iterator: PairIterator): Promise<[Buffer, Buffer][]> {
  const pairs: [Buffer, Buffer][] = []
  for (let size = 1; ; size = Math.min(size * 3, 1_000)) {
    const page = await iterator.nextv(size)
    if (page.length === 0) break
    if (page.length > size) throw new Error(`nextv(${size}) gave ${page.length}`)
    pairs.push(...page)
  }
  await iterator.close()
  return pairs
}

/** nextv may give fewer than asked; only an empty page is the end. */
export async function takeUpTo(iterator: PairIterator, count: number): Promise<[Buffer, Buffer][]> {
  const pairs: [Buffer, Buffer][] = []
  while (pairs.length < count) {
    const page = await iterator.nextv(count - pairs.length)
    if (page.length === 0) break
    pairs.push(...page)
  }
  return pairs
}

export function bytesOf(key: string): Buffer {
  return Buffer.from(key, 'latin1')
}

export function compareValue(found: Uint8Array | undefined, expected: Buffer | undefined): void {
  if (found === undefined && expected === undefined) return
  if (found === undefined) throw new Error(`missing, expected ${expected!.length} bytes`)
  if (expected === undefined) throw new Error(`found ${found.length} bytes, expected none`)
  if (expected.equals(found)) return
  throw new Error(`found other bytes (${found.length}), expected ${expected.length} bytes`)
}

export function compareKeys(found: readonly Buffer[], expected: readonly Pair[]): void {
  found.forEach((key, at) => {
    const pair = expected[at]
    if (pair === undefined || key.toString('latin1') !== pair[0]) {
      throw new Error(
        `entry ${at}: key ${showKey(key)}, expected ${pair ? showKey(bytesOf(pair[0])) : 'the end'}`,
      )
    }
  })
  if (found.length !== expected.length) throw lengthError(found.length, expected.length)
}

export function comparePairs(found: readonly [Buffer, Buffer][], expected: readonly Pair[]): void {
  compareKeys(
    found.map(([key]) => key),
    expected,
  )
  found.forEach(([, value], at) => {
    compareValue(value, expected[at]![1])
  })
}

export function lengthError(found: number, expected: number): Error {
  return new Error(`${found} entries, expected ${expected}`)
}

export function showKey(key: Buffer): string {
  return `${key.subarray(0, 24).toString('hex')}${key.length > 24 ? `… (${key.length} bytes)` : ''}`
}
