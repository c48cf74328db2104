import { once } from 'node:events'
import { Worker } from 'node:worker_threads'
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import {
  createRing,
  RING_HEADER_BYTES,
  RingReader,
  RingWriter,
} from '../../../src/memory/byte-ring.ts'
import { supportUrl } from '../../support/built.ts'

function drained(reader: RingReader): string[] {
  const messages: string[] = []
  reader.drain((message) => void messages.push(message.toString('hex')))
  return messages
}

function message(length: number, fill: number): Buffer {
  return Buffer.alloc(length, fill)
}

describe('one thread', () => {
  test('behaves as a queue of bounded bytes, whatever is written and read', () => {
    const step = fc.oneof(
      fc.record({ write: fc.nat({ max: 60 }), fill: fc.nat({ max: 255 }) }),
      fc.constant('publish' as const),
      fc.constant('drain' as const),
    )
    const property = fc.property(
      fc.array(step, { maxLength: 300 }),
      fc.constantFrom(0, 2 ** 31 - 200, 2 ** 32 - 200),
      (steps, start) => {
        const ring = createRing(128)
        // Counters that wrap past 2^31 and 2^32 are ordinary.
        const words = new Int32Array(ring, 0, RING_HEADER_BYTES / 4)
        words[0] = start & ~127
        words[32] = start & ~127
        const writer = new RingWriter(ring)
        const reader = new RingReader(ring)
        const written: string[] = []
        const read: string[] = []
        for (const each of steps) {
          if (each === 'publish') writer.publish()
          else if (each === 'drain') {
            writer.publish()
            read.push(...drained(reader))
            expect(read).toEqual(written)
          } else {
            const bytes = message(each.write, each.fill)
            if (writer.tryWrite(bytes)) written.push(bytes.toString('hex'))
            else {
              // Full: but never when all was read.
              expect(read.length).toBeLessThan(written.length)
            }
          }
        }
        writer.publish()
        read.push(...drained(reader))
        expect(read).toEqual(written)
      },
    )
    fc.assert(property, { numRuns: 300, seed: 20_240_601 })
  })

  test('the longest message always fits an empty ring, at every position', () => {
    const ring = createRing(256)
    const writer = new RingWriter(ring)
    const reader = new RingReader(ring)
    for (let i = 0; i < 64; i++) {
      expect(writer.tryWrite(message(writer.messageMax, i))).toBe(true)
      writer.publish()
      expect(drained(reader)).toHaveLength(1)
      expect(writer.tryWrite(message(i % 13, i))).toBe(true)
      writer.publish()
      expect(drained(reader)).toHaveLength(1)
    }
    expect(() => writer.tryWrite(message(writer.messageMax + 1, 0))).toThrow('fits its ring')
  })

  test('a full ring refuses, shows what it holds, and takes more once read', () => {
    const ring = createRing(64)
    const writer = new RingWriter(ring)
    const reader = new RingReader(ring)
    let count = 0
    while (writer.tryWrite(message(12, count))) count++
    expect(count).toBe(4)
    expect(drained(reader)).toHaveLength(4)
    expect(writer.tryWrite(message(12, 9))).toBe(true)
  })

  test('nothing is seen before it is published', () => {
    const ring = createRing(1024)
    const writer = new RingWriter(ring)
    const reader = new RingReader(ring)
    writer.tryWrite(message(8, 1))
    expect(drained(reader)).toEqual([])
    writer.publish()
    expect(drained(reader)).toEqual(['01'.repeat(8)])
  })

  test('a visit that throws counts its message as read and loses no other', () => {
    const ring = createRing(1024)
    const writer = new RingWriter(ring)
    const reader = new RingReader(ring)
    for (let i = 0; i < 4; i++) writer.tryWrite(message(1, i))
    writer.publish()
    const seen: number[] = []
    const visit = (bytes: Buffer): void => {
      seen.push(bytes[0]!)
      if (bytes[0] === 1) throw new Error('torn')
    }
    expect(() => reader.drain(visit)).toThrow('torn')
    reader.drain(visit)
    expect(seen).toEqual([0, 1, 2, 3])
    // A reader made anew goes on where the other stopped.
    writer.tryWrite(message(1, 4))
    writer.publish()
    expect(drained(new RingReader(ring))).toEqual(['04'])
  })

  test('a length that cannot be is an internal error, not a read past the end', () => {
    const ring = createRing(64)
    const writer = new RingWriter(ring)
    const reader = new RingReader(ring)
    writer.tryWrite(message(8, 1))
    writer.publish()
    for (const length of [9, 61, 2 ** 31, 2 ** 32 - 2]) {
      new Uint32Array(ring, RING_HEADER_BYTES)[0] = length
      expect(() => new RingReader(ring).drain(() => undefined)).toThrow('whole')
    }
    new Uint32Array(ring, RING_HEADER_BYTES)[0] = 8
    expect(drained(reader)).toHaveLength(1)
  })

  test('another writer takes over where the published bytes end', () => {
    const ring = createRing(1024)
    const one = new RingWriter(ring)
    const two = new RingWriter(ring)
    const reader = new RingReader(ring)
    one.tryWrite(message(3, 1))
    one.publish()
    one.tryWrite(message(3, 2))
    two.resume()
    two.tryWrite(message(3, 3))
    two.publish()
    expect(drained(reader)).toEqual(['010101', '030303'])
  })
})

describe('waiting', () => {
  test('whenPublished resolves on publish, and at once when there is more', async () => {
    const ring = createRing(1024)
    const writer = new RingWriter(ring)
    const reader = new RingReader(ring)
    const wait = reader.whenPublished(systemClock)
    expect(wait).toBeInstanceOf(Promise)
    writer.tryWrite(message(4, 1))
    writer.publish()
    await wait
    expect(reader.whenPublished(systemClock)).toBeUndefined()
    expect(drained(reader)).toHaveLength(1)
  })

  test('close ends a pending wait and a blocked writer', async () => {
    const ring = createRing(64)
    const reader = new RingReader(ring)
    const wait = reader.whenPublished(systemClock)
    const worker = thread(ring, { role: 'write', count: 100, seed: 1, longest: 20 })
    const answer = once(worker, 'message')
    await wait
    const again = reader.whenPublished(systemClock)
    setTimeout(() => reader.close(), 20)
    await again
    expect(await answer).toEqual([{ error: 'SETT_WORKER_FAILED' }])
    await worker.terminate()
  })
})

function thread(ring: SharedArrayBuffer, data: object): Worker {
  return new Worker(new URL(supportUrl('ring-thread.mjs')), { workerData: { ring, ...data } })
}

describe('two threads', () => {
  const cases = [
    { capacity: 64, count: 3000, longest: 28 },
    { capacity: 4096, count: 20_000, longest: 300 },
    { capacity: 1 << 20, count: 60_000, longest: 1000 },
  ]

  test.each(cases)('thread writes, main reads: %o', async ({ capacity, count, longest }) => {
    const ring = createRing(capacity)
    const reader = new RingReader(ring)
    const worker = thread(ring, { role: 'write', count, seed: 77, longest })
    let state = 77
    let seen = 0
    let good = 0
    while (seen < count) {
      reader.drain((bytes) => {
        state = (Math.imul(state, 1664525) + 1013904223) >>> 0
        seen++
        const fill = state >>> 24
        if (bytes.length === state % (longest + 1) && bytes.every((b) => b === fill)) good++
      })
      if (seen < count) await reader.whenPublished(systemClock)
    }
    expect(good).toBe(count)
    await worker.terminate()
  })

  test('main writes without blocking, thread reads', async () => {
    const ring = createRing(4096)
    const writer = new RingWriter(ring)
    const count = 5000
    const worker = thread(ring, { role: 'read', count, seed: 5, longest: 500 })
    const answer = once(worker, 'message')
    let state = 5
    for (let i = 0; i < count; i++) {
      state = (Math.imul(state, 1664525) + 1013904223) >>> 0
      const bytes = message(state % 501, state >>> 24)
      while (!writer.tryWrite(bytes)) await new Promise((resolve) => setImmediate(resolve))
    }
    writer.publish()
    expect(await answer).toEqual([{ good: count }])
    await worker.terminate()
  })
})
