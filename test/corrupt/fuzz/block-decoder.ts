// Data blocks with lengths, shared prefixes, versions and restarts nobody would write, through the block kernels: each
// is asked twice, with other bytes around it, and once more at the very end of the memory.
import { decodeAlone } from '../../../src/format/sstable-block.ts'
import { DESC_SIZE, TAG_EXPIRY, TAG_META } from '../../../src/kernel/layout.ts'
import type { Prng } from '../../model/prng.ts'
import { type Decoder, demand } from './decoder.ts'
import { GuardedMemory } from './guarded-memory.ts'
import { oddNumber, oddSafe, pick, randomBytes, resized } from './mutation.ts'

const DESCRIPTORS = 48
const KEYS_BYTES = 4_096
const KEY_MAX = 64
const GUIDE_ROOM = 200
const VERSION_END = 2 ** 53

interface RawEntry {
  shared: number
  other: number
  value: number
  tag: number
  version: number
  readonly meta: number
  expiresAt: number
  /** Key rest and value, whatever the lengths claim. */
  readonly rest: Buffer
  /** Bytes that make a number longer than it need be. */
  overlong: number
}

function varint(value: number, overlong: number): number[] {
  const bytes: number[] = []
  let rest = value
  for (; rest >= 128; rest = Math.floor(rest / 128)) bytes.push((rest % 128) | 128)
  bytes.push(rest)
  for (let i = 0; i < overlong; i++) {
    bytes[bytes.length - 1]! |= 128
    bytes.push(0)
  }
  return bytes
}

function encode(entry: RawEntry): Buffer {
  const { shared, other, value, tag, version, meta, expiresAt, rest, overlong } = entry
  const head = [
    ...varint(shared, 0),
    ...varint(other, overlong),
    ...varint(value, 0),
    tag,
    ...varint(version, 0),
    ...((tag & TAG_META) === 0 ? [] : [meta]),
    ...((tag & TAG_EXPIRY) === 0 ? [] : varint(expiresAt, 0)),
  ]
  return Buffer.concat([Buffer.from(head), rest])
}

/** Entries with rising keys, as a writer would make them. */
function honestEntries(random: Prng, interval: number): { entries: RawEntry[]; keys: Buffer[] } {
  const entries: RawEntry[] = []
  const keys: Buffer[] = []
  const count = 1 + random.below(24)
  for (let i = 0; i < count; i++) {
    const text = `${'k'.repeat(random.below(6))}${String(i).padStart(3, '0')}${'x'.repeat(random.below(9))}`
    const key = Buffer.from(text)
    const before = i % interval === 0 ? Buffer.alloc(0) : keys[i - 1]!
    let shared = 0
    while (shared < Math.min(before.length, key.length) && before[shared] === key[shared]) shared++
    const value = random.below(20)
    const flags = (random.chance(0.1) ? TAG_META : 0) | (random.chance(0.1) ? TAG_EXPIRY : 0)
    entries.push({
      shared,
      other: key.length - shared,
      value,
      tag: (random.chance(0.8) ? 1 : 2) | flags,
      version: random.below(2_000),
      meta: random.below(256),
      expiresAt: 1 + random.below(100_000),
      rest: Buffer.concat([key.subarray(shared), randomBytes(random, value)]),
      overlong: 0,
    })
    keys.push(key)
  }
  return { entries, keys }
}

function spoil(entry: RawEntry, random: Prng): void {
  switch (random.below(8)) {
    case 0:
    case 1:
      entry.shared = oddSafe(random, entry.shared)
      return
    case 2:
      entry.other = oddSafe(random, entry.other)
      return
    case 3:
      entry.value = oddSafe(random, entry.value)
      return
    case 4:
      entry.tag = Number(BigInt.asUintN(8, oddNumber(random, BigInt(entry.tag))))
      return
    case 5:
      entry.version = oddSafe(random, entry.version)
      return
    case 6:
      entry.expiresAt = oddSafe(random, entry.expiresAt)
      entry.tag |= TAG_EXPIRY
      return
    default:
      entry.overlong = 1 + random.below(9)
  }
}

function makeBlock(random: Prng): { payload: Buffer; keys: Buffer[] } {
  const interval = pick(random, [1, 2, 4, 16])
  const { entries, keys } = honestEntries(random, interval)
  const broken = random.below(10)
  if (broken < 6) spoil(pick(random, entries), random)
  if (broken === 6) entries.reverse()
  const parts = entries.map(encode)
  const restarts: number[] = []
  let at = 0
  for (const [i, part] of parts.entries()) {
    if (i % interval === 0) restarts.push(at)
    at += part.length
  }
  if (broken === 7 || random.chance(0.2)) {
    const i = random.below(restarts.length)
    restarts[i] = Number(BigInt.asUintN(32, oddNumber(random, BigInt(restarts[i]!))))
  }
  const tail = Buffer.alloc(4 * restarts.length + 4)
  for (const [i, restart] of restarts.entries()) tail.writeUInt32LE(restart, 4 * i)
  const count = BigInt(restarts.length)
  const claimed = broken === 8 ? oddNumber(random, count) : count
  tail.writeUInt32LE(Number(BigInt.asUintN(32, claimed)), 4 * restarts.length)
  return { payload: resized(Buffer.concat([...parts, tail]), random), keys }
}

interface Question {
  readonly base: number
  readonly key: Buffer
  readonly from: number
  readonly to: number
}

class BlockRig {
  readonly #memory = new GuardedMemory(1)
  readonly #key = this.#memory.take(KEY_MAX)
  readonly #out = this.#memory.take(DESC_SIZE * DESCRIPTORS)
  readonly #keys = this.#memory.take(KEYS_BYTES)
  readonly #stopped = this.#memory.take(4)
  readonly #guide = this.#memory.take(GUIDE_ROOM)
  readonly #inside = 32_768

  /** What the kernels say, addresses told as distances from the block. */
  ask(payload: Buffer, question: Question, around: number, atEnd: boolean): string[] {
    const memory = this.#memory
    const { bytes } = memory.heap
    for (const [at, length] of [
      [this.#key, KEY_MAX],
      [this.#out, DESC_SIZE * DESCRIPTORS],
      [this.#keys, KEYS_BYTES],
      [this.#stopped, 4],
      [this.#guide, GUIDE_ROOM],
    ] as const) {
      bytes.fill(0, at, at + length)
    }
    memory.fill(around)
    const block = atEnd ? memory.place(payload) : memory.place(payload, this.#inside)
    question.key.copy(bytes, this.#key)
    const answers = this.#answers(block, payload.length, question)
    memory.check()
    return answers
  }

  #answers(block: number, length: number, { base, key, from, to }: Question): string[] {
    const { kernels } = this.#memory
    const restarts = kernels.blockRestarts(block, length)
    demand(restarts === -1 || (restarts > 0 && 4 * restarts < length), 'as many restarts as fit')
    const answers = [`${restarts} ${kernels.blockSeek(block, length, this.#key, key.length)}`]
    const guided = kernels.blockGuide(block, length, this.#guide, GUIDE_ROOM) === 1
    for (const guide of guided ? [0, this.#guide] : [0]) {
      for (const version of [5, VERSION_END - 1]) {
        const [at, out] = [this.#key, this.#out]
        const found = kernels.blockGet(block, length, guide, base, at, key.length, version, out)
        answers.push(`${found} ${found === 1 ? this.#entry(out, block, length) : ''}`)
      }
    }
    for (const reverse of [0, 1]) {
      const count = kernels.blockDecode(
        block,
        length,
        base,
        from,
        to,
        reverse,
        this.#out,
        DESCRIPTORS,
        this.#keys,
        KEYS_BYTES,
        this.#stopped,
      )
      demand(count >= -2 && count <= DESCRIPTORS, `${count} entries decoded`)
      answers.push(`${count}`)
      for (let i = 0; i < count; i++) {
        answers.push(this.#entry(this.#out + DESC_SIZE * i, block, length))
      }
    }
    return answers
  }

  /** Checks a descriptor and tells it. */
  #entry(at: number, block: number, length: number): string {
    const { bytes } = this.#memory.heap
    const key = bytes.readUInt32LE(at + 8)
    const keyLength = bytes.readUInt32LE(at + 12)
    const value = bytes.readUInt32LE(at + 16) - block
    const valueLength = bytes.readUInt32LE(at + 20)
    const version = bytes.readBigUInt64LE(at + 24)
    const expiresAt = bytes.readBigUInt64LE(at + 32)
    const tag = bytes[at + 40]!
    demand(value >= 0 && value + valueLength <= length, 'a value inside the block')
    demand(version < 2n ** 53n && expiresAt < 2n ** 53n, 'numbers below 2^53')
    demand((tag & 0x0f) === 1 || (tag & 0x0f) === 2, 'a put or a delete')
    const ours = key >= this.#keys && key + keyLength <= this.#keys + KEYS_BYTES
    const asked = key === this.#key && keyLength <= KEY_MAX
    // A key of no bytes needs none of the area.
    demand(ours || asked || keyLength === 0, 'a key in the key area')
    const text = bytes.toString('latin1', key, key + keyLength)
    return `${text}@${version} ${tag} ${bytes[at + 41]} ${expiresAt} ${value}+${valueLength}`
  }
}

export function blockDecoder(): Decoder {
  const rig = new BlockRig()
  return {
    name: 'data block (wasm)',
    share: 36,
    run(random) {
      const { payload, keys } = makeBlock(random)
      const key = random.chance(0.7) ? pick(random, keys) : randomBytes(random, random.below(12))
      const base = pick(random, [0, 0, 1_000, 2 ** 52, VERSION_END - 3])
      const from = random.below(3)
      const question = { base, key, from, to: from + random.below(6) }
      const answers = rig.ask(payload, question, 0xa5, false)
      for (const [around, atEnd] of [
        [0x00, false],
        [0xff, true],
      ] as const) {
        const again = rig.ask(payload, question, around, atEnd)
        demand(again.join('\n') === answers.join('\n'), 'an answer depends on bytes outside')
      }
      const alone = decodeAlone(payload, base)
      if (alone !== undefined) {
        const { keyStart, keyLength, valueLength } = alone
        demand(keyStart + keyLength + valueLength + 8 === payload.length, 'one entry, no more')
      }
      return !answers.some((answer) => answer.startsWith('-1'))
    },
  }
}
