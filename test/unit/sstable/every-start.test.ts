// Scans over two tables with blocks of several restart intervals each, from every key and from between any two.
import { expect, it } from 'vitest'
import { Bench, type PlainEntry, SHAPE } from './support.ts'

const MIB = 1024 * 1024
const KEYS = 500

const keyOf = (i: number): Buffer => Buffer.from(`key ${String(i).padStart(5, '0')}`)

function label({ key, version }: PlainEntry): string {
  return `${key} @${version}`
}

it.each([false, true])('leaves out nothing behind its start, reverse: %s', (reverse) => {
  const bench = new Bench(16 * MIB)
  const entries: PlainEntry[] = []
  for (let i = 0; i < KEYS; i++) {
    const key = keyOf(2 * i)
    if (i % 7 === 0) entries.push({ key, version: 2000 + i, value: undefined })
    entries.push({ key, version: 1 + i, value: Buffer.from(`${i}`) })
  }
  const tables = bench.write(entries, { ...SHAPE, blockSize: 2048, tableSize: 2500 })
  const open = bench.open()
  expect(tables.length).toBeGreaterThan(1)
  const { blockCount } = open.get(tables[0]!)
  expect(blockCount).toBeGreaterThan(1)
  // Sixteen entries make an interval.
  expect(tables[0]!.entries / blockCount).toBeGreaterThan(5 * 16)
  for (let at = 0; at < 2 * KEYS; at++) {
    const start = keyOf(at)
    const { source, memory } = bench.source(tables, open, { reverse, start })
    const found = bench.drain(source).map(label)
    bench.allocator.free(memory)
    const behind = entries.filter(({ key }) => {
      const order = Buffer.compare(key, start)
      return reverse ? order <= 0 : order >= 0
    })
    const wanted = (reverse ? behind.reverse() : behind).map(label)
    // A few entries before the start may come.
    expect(found.length - wanted.length).toBeLessThan(64)
    expect(found.slice(-wanted.length), `from ${at}`).toEqual(wanted)
  }
  open.closeAll()
})
