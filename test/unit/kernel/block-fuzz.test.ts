// Mutated blocks: kernel and twin give the same answers, nothing is written outside the output areas, and
// nothing traps although the payload ends where the memory ends.
import { expect, it } from 'vitest'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { DESC_SIZE } from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { blockTwin } from '../../twins/block.ts'
import { guideBytes, guideTwin } from '../../twins/guide.ts'
import { encodeBlock, KEY_STYLES, styledEntries } from './block-encode.ts'
import { Areas, newMemory, PAGE, Seeded } from './block-support.ts'

const BLOCKS = 32_000
const CAPACITY = 40
const KEYS_CAPACITY = 300
const GUARD = 64
const GUIDE_ROOM = 160

type BlockKernels = Pick<
  Kernels,
  'blockGet' | 'blockSeek' | 'blockRestarts' | 'blockDecode' | 'blockGuide'
>

function mutate(random: Seeded, source: Buffer): Buffer {
  let bytes = Buffer.from(source)
  const kind = random.int(0, 9)
  if (kind === 0) return random.bytes(random.int(0, 80))
  if (kind === 1) bytes = bytes.subarray(0, random.int(0, bytes.length))
  if (kind === 2) {
    const at = random.int(0, bytes.length)
    bytes = Buffer.concat([bytes.subarray(0, at), random.bytes(2), bytes.subarray(at)])
  }
  if (kind === 3) {
    const word = random.int(1, 4) * 4
    if (word <= bytes.length) bytes.writeUInt32LE(random.int(0, 300), bytes.length - word)
  }
  const flips = kind === 4 ? 0 : random.int(1, 4)
  for (let i = 0; i < flips && bytes.length > 0; i++) {
    const at = random.int(0, bytes.length - 1)
    bytes[at] = random.pick([0, 0x7f, 0x80, 0xff, random.int(0, 255), bytes[at]! ^ 1])
  }
  return bytes
}

/** One implementation with guarded output areas; the payload is put at the very end of the memory. */
class Rig {
  readonly kernels: BlockKernels
  private readonly areas: Areas
  private readonly shared = newMemory(PAGE)
  private readonly key: number
  private readonly out: number
  private readonly keys: number
  private readonly stopped: number
  private readonly guide: number
  private block = 0
  private length = 0

  constructor(bind: (memory: WebAssembly.Memory) => BlockKernels) {
    this.areas = new Areas(this.shared)
    this.kernels = bind(this.shared)
    this.key = this.areas.take(64)
    this.out = this.guarded(DESC_SIZE * CAPACITY)
    this.keys = this.guarded(KEYS_CAPACITY)
    this.stopped = this.guarded(4)
    this.guide = this.guarded(GUIDE_ROOM)
  }

  private guarded(length: number): number {
    const at = this.areas.take(length + 2 * GUARD)
    this.areas.memory.slice(at, length + 2 * GUARD).fill(0xa5)
    return at + GUARD
  }

  place(bytes: Buffer): void {
    const { memory } = this.areas
    this.length = bytes.length
    this.block = memory.bytes.length - bytes.length
    bytes.copy(memory.bytes, this.block)
  }

  setKey(key: Buffer): void {
    key.copy(this.areas.memory.bytes, this.key)
  }

  get(keyLength: number, base: number, maxVersion: number): string {
    const { block, length, key, out } = this
    const found = this.kernels.blockGet(block, length, 0, base, key, keyLength, maxVersion, out)
    const entry = found === 1 ? this.areas.memory.slice(out, DESC_SIZE).toString('hex') : ''
    return `${found} ${entry}`
  }

  /** The guide, if there is one; with it a lookup must not leave the block, whatever it answers. */
  guided(keyLength: number, room: number): string {
    const { block, length, guide, key, out, kernels } = this
    if (kernels.blockGuide(block, length, guide, room) === 0) return '0'
    kernels.blockGet(block, length, guide, 0, key, keyLength, 20, out)
    return guideBytes(this.areas.memory, guide).toString('hex')
  }

  seek(keyLength: number): string {
    const { block, length, key } = this
    const restarts = this.kernels.blockRestarts(block, length)
    return `${restarts} ${this.kernels.blockSeek(block, length, key, keyLength)}`
  }

  decode(range: { from: number; to: number; reverse: number; base: number }, room: number): string {
    const { block, length, out, keys, stopped } = this
    const { from, to, reverse, base } = range
    const { memory } = this.areas
    const keyRoom = Math.min(KEYS_CAPACITY, room * 12)
    const count = this.kernels.blockDecode(
      block,
      length,
      base,
      from,
      to,
      reverse,
      out,
      room,
      keys,
      keyRoom,
      stopped,
    )
    if (count === -1) return '-1'
    const found: string[] = [`${count} ${memory.u32(stopped)}`]
    for (let i = 0; i < count; i++) {
      const at = out + DESC_SIZE * i
      const key = memory.slice(memory.u32(at + 8), memory.u32(at + 12))
      found.push(memory.slice(at, DESC_SIZE).toString('hex'), key.toString('hex'))
    }
    return found.join('\n')
  }

  guardsHold(): boolean {
    const { memory } = this.areas
    const guards = [
      [this.out, DESC_SIZE * CAPACITY],
      [this.keys, KEYS_CAPACITY],
      [this.stopped, 4],
      [this.guide, GUIDE_ROOM],
    ] as const
    return guards.every(([at, length]) => {
      const around = [memory.slice(at - GUARD, GUARD), memory.slice(at + length, GUARD)]
      return around.every((guard) => guard.every((byte) => byte === 0xa5))
    })
  }
}

/** The answers to one set of random questions. */
function ask(rig: Rig, bytes: Buffer, key: Buffer, random: Seeded): string[] {
  rig.place(bytes)
  rig.setKey(key)
  const base = random.pick([0, 0, 1000, 2 ** 52 + 5, 2 ** 53 - 2])
  const answers = [rig.seek(key.length)]
  answers.push(rig.get(key.length, base, random.pick([0, 20, 2 ** 53 - 1])))
  answers.push(rig.guided(key.length, random.int(20, GUIDE_ROOM)))
  for (const reverse of [0, 1]) {
    const from = random.int(0, 2)
    const range = { from, to: from + random.int(0, 4), reverse, base }
    answers.push(rig.decode(range, random.int(0, CAPACITY)))
  }
  return answers
}

it(`answers alike, in bounds and without a trap, for ${BLOCKS} damaged blocks`, () => {
  const slow = new Rig((memory) => ({ ...blockTwin(memory), ...guideTwin(memory) }))
  const fast = new Rig(wasmKernels)
  let damaged = 0
  let random = new Seeded(0)
  let bytes: Buffer = Buffer.alloc(0)
  let keys: Buffer[] = []
  for (let seed = 1; seed <= BLOCKS; seed++) {
    if (seed % 50 === 1) {
      random = new Seeded(seed)
      const style = random.pick(KEY_STYLES.filter((name) => name !== 'long'))
      const entries = styledEntries(random, style, random.int(1, 24))
      bytes = encodeBlock(entries, 0, random.pick([1, 4, 16])).bytes
      keys = entries.map((entry) => entry.key)
    }
    const mutated = mutate(random, bytes)
    const key = random.chance(0.7) ? random.pick(keys) : random.bytes(random.int(1, 20))
    const state = random.int(0, 2 ** 30)
    const answers = ask(fast, mutated, key, new Seeded(state))
    const expected = ask(slow, mutated, key, new Seeded(state))
    if (answers.join() !== expected.join()) {
      expect(answers, `block ${seed}: ${mutated.toString('hex')}`).toEqual(expected)
    }
    if (answers.some((answer) => answer.includes('-1'))) damaged++
    if (seed % 64 === 0) expect(fast.guardsHold() && slow.guardsHold(), `block ${seed}`).toBe(true)
  }
  expect(damaged).toBeGreaterThan(BLOCKS / 4)
  expect(damaged).toBeLessThan(BLOCKS)
})
