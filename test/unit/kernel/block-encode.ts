// A data block payload (FORMAT §6.1) written by the book, with any restart interval, and key sets to fill it.
import { KIND_MASK, KIND_POINTER, TAG_EXPIRY, TAG_META } from '../../../src/kernel/layout.ts'
import { compareEntries, randomEntry, type Seeded, type TestEntry } from './block-support.ts'

export function varint(value: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  return bytes
}

export interface EncodedBlock {
  readonly bytes: Buffer
  readonly restarts: number[]
}

/** One entry that follows `previous`; an empty one makes it a restart. */
export function encodeEntry(entry: TestEntry, previous: Buffer, baseVersion: number): Buffer {
  const most = Math.min(previous.length, entry.key.length)
  let shared = 0
  while (shared < most && previous[shared] === entry.key[shared]) shared++
  const head = [
    ...varint(shared),
    ...varint(entry.key.length - shared),
    ...varint(entry.value.length),
    entry.tag,
    ...varint(entry.version - baseVersion),
    ...((entry.tag & TAG_META) !== 0 ? [entry.meta] : []),
    ...((entry.tag & TAG_EXPIRY) !== 0 ? varint(entry.expiresAt) : []),
  ]
  return Buffer.concat([Buffer.from(head), entry.key.subarray(shared), entry.value])
}

export const NO_KEY: Buffer = Buffer.alloc(0)

export function encodeBlock(
  entries: readonly TestEntry[],
  baseVersion: number,
  interval: number,
): EncodedBlock {
  const parts: Buffer[] = []
  const restarts: number[] = []
  let length = 0
  let previous = NO_KEY
  entries.forEach((entry, i) => {
    if (i % interval === 0) {
      restarts.push(length)
      previous = NO_KEY
    }
    const part = encodeEntry(entry, previous, baseVersion)
    parts.push(part)
    length += part.length
    previous = entry.key
  })
  const array = Buffer.alloc(4 * restarts.length + 4)
  restarts.forEach((restart, i) => {
    array.writeUInt32LE(restart, 4 * i)
  })
  array.writeUInt32LE(restarts.length, 4 * restarts.length)
  return { bytes: Buffer.concat([...parts, array]), restarts }
}

export const KEY_STYLES = [
  'random',
  'sequential',
  'text',
  'versions',
  'nested',
  'short',
  'long',
] as const
export type KeyStyle = (typeof KEY_STYLES)[number]

function styledKey(random: Seeded, style: KeyStyle, i: number): Buffer {
  switch (style) {
    case 'random':
      return random.bytes(random.int(1, 20))
    case 'sequential':
      return Buffer.from(`k${String(i).padStart(15, '0')}`)
    case 'text':
      return Buffer.from(`user:${String(random.int(0, 99_999)).padStart(11, '0')}`)
    case 'versions':
      return Buffer.from(`doc${random.int(0, 3)}`)
    case 'nested':
      return Buffer.alloc(random.int(1, 60), 0)
    case 'short':
      return random.bytes(1)
    case 'long':
      return Buffer.concat([Buffer.alloc(random.int(60_000, 65_533), 1), random.bytes(2)])
  }
}

/** Entries in order: no (key, version) twice; versions from `baseVersion` on. */
export function styledEntries(
  random: Seeded,
  style: KeyStyle,
  count: number,
  baseVersion = 0,
): TestEntry[] {
  const step = random.pick([1, 1, 300, 2 ** 30, 2 ** 40])
  const entries: TestEntry[] = []
  for (let i = 0; i < count; i++) {
    const entry = randomEntry(random, styledKey(random, style, i), baseVersion + i * step)
    const large = (entry.tag & KIND_MASK) !== KIND_POINTER && random.chance(0.03)
    entries.push(large ? { ...entry, value: random.bytes(random.int(100, 700)) } : entry)
  }
  return entries.sort(compareEntries)
}
