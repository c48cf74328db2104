import fc from 'fast-check'
import { expect, test } from 'vitest'
import { copyIn, copyOut } from '../../../src/memory/copy-shared.ts'

const ROOM = 4096
const MARK = 0xee

function marked(bytes: number): Buffer {
  return Buffer.from(new SharedArrayBuffer(bytes)).fill(MARK)
}

const lengths = fc.oneof(fc.constantFrom(0, 1, 511, 512, 513), fc.nat(2048))

test('what is copied in is there, and nothing beside it', () => {
  fc.assert(
    fc.property(lengths, fc.nat(ROOM - 2048), fc.boolean(), (length, at, view) => {
      const source = Buffer.from(Array.from({ length }, (_, byte) => byte % 251))
      const shared = marked(ROOM)
      copyIn(shared, at, view ? new Uint8Array(source) : source)
      const expected = Buffer.alloc(ROOM, MARK)
      expected.set(source, at)
      expect(shared.equals(expected)).toBe(true)
    }),
  )
})

test('what is copied out stands at the beginning, and nothing behind it changes', () => {
  fc.assert(
    fc.property(lengths, fc.nat(ROOM - 2048), (length, start) => {
      const shared = marked(ROOM)
      for (let at = 0; at < ROOM; at++) shared[at] = at % 251
      const target = Buffer.alloc(length + 16, MARK)
      copyOut(shared, start, start + length, target)
      const expected = Buffer.alloc(length + 16, MARK)
      expected.set(shared.subarray(start, start + length))
      expect(target.equals(expected)).toBe(true)
    }),
  )
})

test('what has no room is refused', () => {
  const shared = marked(1024)
  for (const length of [100, 1000]) {
    expect(() => copyIn(shared, 1025 - length, Buffer.alloc(length))).toThrow(RangeError)
  }
})
