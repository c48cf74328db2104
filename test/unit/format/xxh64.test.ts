import { expect, test } from 'vitest'
import xxhash from 'xxhash-wasm'
import { hash64 } from '../../../src/base/xxh64.ts'

test('hash64 equals a reference for every length up to 300 and random seeds', async () => {
  const { h64Raw } = await xxhash()
  let state = 12345
  const next = (): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0
    return state
  }
  const seeds = [0n, 1n, 0xffffffffffffffffn, 0x85ebca87n, 1n << 63n]
  for (let i = 0; i < 10; i += 1) seeds.push((BigInt(next()) << 32n) | BigInt(next()))
  for (let length = 0; length <= 300; length += 1) {
    const bytes = Uint8Array.from({ length }, () => next() >>> 24)
    for (const seed of seeds) expect(hash64(bytes, seed)).toBe(h64Raw(bytes, seed))
  }
})

test('hash64 reads views at odd offsets and large inputs', async () => {
  const { h64Raw } = await xxhash()
  const large = Uint8Array.from({ length: 100_003 }, (_, i) => (i * 7 + (i >> 8)) & 255)
  expect(hash64(large, 9n)).toBe(h64Raw(large, 9n))
  expect(hash64(large.subarray(3, 777), 9n)).toBe(h64Raw(large.slice(3, 777), 9n))
})
