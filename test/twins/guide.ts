// Twin of blockGuide: decodes every key of the block, then writes samples of them as GUIDE_* of layout.ts says.
import type { Kernels } from '../../src/kernel/kernels.ts'
import {
  GUIDE_COMMON,
  GUIDE_FIRST_KEY,
  GUIDE_HEADER,
  GUIDE_LEAD,
  GUIDE_SAMPLES,
} from '../../src/kernel/layout.ts'
import { type Block, check, guarded, Memory, NO_KEY } from './block.ts'

const LENGTH_MAX = 65_536
const RESTART_INTERVAL = 16
/** Header, four heads and an offset. */
const ROOM_MIN = GUIDE_HEADER + 18

interface Placed {
  readonly offset: number
  readonly key: Buffer
  readonly keyAt: number
}

function entriesFrom(block: Block, offset: number): Placed[] {
  const entries: Placed[] = []
  let previous = NO_KEY
  for (let at = offset; at < block.end; ) {
    const { key, shared, valueAt, next } = block.entry(at, block.end, previous)
    entries.push({ offset: at, key, keyAt: valueAt - (key.length - shared) })
    previous = key
    at = next
  }
  return entries
}

function sharedLength(a: Buffer, b: Buffer): number {
  let length = 0
  while (length < Math.min(a.length, b.length) && a[length] === b[length]) length++
  return length
}

function padded(key: Buffer, from: number, length: number): Buffer {
  const bytes = Buffer.alloc(length)
  key.copy(bytes, 0, from, from + length)
  return bytes
}

function encodeGuide(block: Block, room: number): Buffer {
  const lastRestart = block.restart(block.count - 1)
  check(lastRestart < block.end)
  const tail = entriesFrom(block, lastRestart)
  const all = entriesFrom(block, 0)
  const first = all[0]!
  const common = Math.min(...[first, ...tail].map(({ key }) => sharedLength(key, first.key)))
  const capacity = Math.floor((room - GUIDE_HEADER - 12) / 6)
  const guessed = (block.count - 1) * RESTART_INTERVAL + tail.length
  const stride = Math.ceil(guessed / capacity)
  for (const { key } of all) check(sharedLength(key, first.key) >= common)
  const samples = all.filter((_, i) => i % stride === 0)
  check(samples.length <= capacity)
  const offsetsAt = GUIDE_HEADER + 4 * Math.ceil(samples.length / 4) * 4
  const guide = Buffer.alloc(offsetsAt + 2 * samples.length, 0xff)
  guide.writeUInt16LE(samples.length, GUIDE_SAMPLES)
  guide.writeUInt16LE(common, GUIDE_COMMON)
  guide.writeUInt32LE(first.keyAt, GUIDE_FIRST_KEY)
  guide.writeBigUInt64LE(padded(first.key, 0, 8).readBigUInt64BE(), GUIDE_LEAD)
  let before = 0
  samples.forEach(({ key, offset }, i) => {
    const head = padded(key, common, 4).readUInt32BE()
    check(head >= before)
    before = head
    guide.writeUInt32LE(head, GUIDE_HEADER + 4 * i)
    guide.writeUInt16LE(offset, offsetsAt + 2 * i)
  })
  return guide
}

export function guideTwin(shared: WebAssembly.Memory): Pick<Kernels, 'blockGuide'> {
  const memory = new Memory(shared)
  return {
    blockGuide: (address, length, guide, room) => {
      if (length > LENGTH_MAX || room < ROOM_MIN) return 0
      const made = guarded(memory.slice(address, length), 0, (block) => {
        encodeGuide(block, room).copy(memory.bytes, guide)
        return 1
      })
      return Math.max(0, made)
    },
  }
}

/** Bytes of a guide that was made. */
export function guideBytes(memory: Memory, guide: number): Buffer {
  const samples = memory.bytes.readUInt16LE(guide + GUIDE_SAMPLES)
  return memory.slice(guide, GUIDE_HEADER + 16 * Math.ceil(samples / 4) + 2 * samples)
}
