// LZ4 of 4 KiB blocks: the kernels, and in the twin's column the lz4-wasm package, which copies in and out.
import { compress, decompress } from 'lz4-wasm-nodejs'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { LZ4_TABLE_BYTES } from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { Areas, newMemory } from '../../../test/unit/kernel/block-support.ts'
import { words } from '../../data/random.ts'
import type { Area, Case, Side } from '../case.ts'

const BLOCKS = 64
const BLOCK_BYTES = 4_096
const ROOM = 2 * BLOCK_BYTES
const MEMORY_BYTES = BLOCKS * (2 * BLOCK_BYTES + ROOM + 192) + LZ4_TABLE_BYTES + 2 * ROOM

type Content = 'half noise' | 'JSON' | 'noise'

function content(kind: Content): Buffer[] {
  const next = words(7)
  return Array.from({ length: BLOCKS }, (_, block) => {
    const bytes = Buffer.alloc(BLOCK_BYTES, 'v')
    if (kind === 'JSON') {
      for (let at = 0, i = 0; at < BLOCK_BYTES; i++) {
        const id = block * 100 + i
        const record = {
          id,
          user: `user-${next() % 5_000}`,
          price: next() % 10_000,
          active: next() % 2 > 0,
        }
        at += bytes.write(JSON.stringify(record), at)
      }
      return bytes
    }
    // Entries of 116 bytes whose values are half noise, or all of it.
    for (let at = 0; at < BLOCK_BYTES; at++) {
      if (kind === 'noise' || at % 116 < 66) bytes[at] = next() >>> 24
    }
    return bytes
  })
}

interface Packed {
  readonly kernels: Kernels
  readonly areas: Areas
  readonly sources: readonly number[]
  readonly targets: readonly number[]
  readonly lengths: number[]
  readonly table: number
}

function ours(plain: readonly Buffer[]): Packed {
  const memory = newMemory(MEMORY_BYTES)
  const areas = new Areas(memory)
  const table = areas.take(LZ4_TABLE_BYTES)
  const sources = plain.map((bytes) => areas.bytes(bytes))
  const targets = plain.map(() => areas.take(ROOM))
  return { kernels: wasmKernels(memory), areas, sources, targets, lengths: [], table }
}

function packAll({ kernels, sources, targets, lengths, table }: Packed): void {
  for (let i = 0; i < BLOCKS; i++) {
    lengths[i] = kernels.lz4Compress(sources[i]!, BLOCK_BYTES, targets[i]!, ROOM, table)
  }
}

function packing(kind: Content): Case {
  return {
    name: `compress 4 KiB, ${kind}`,
    prepare() {
      const plain = content(kind)
      const packed = ours(plain)
      const out = packed.areas.take(BLOCK_BYTES)
      const theirs: Uint8Array[] = []
      const twin: Side = {
        run() {
          for (let i = 0; i < BLOCKS; i++) theirs[i] = compress(plain[i]!)
        },
        answer: () => theirs.map((block) => Buffer.from(decompress(block))),
      }
      const side: Side = {
        run: () => packAll(packed),
        answer: () =>
          packed.targets.map((at, i) => {
            packed.kernels.lz4Decompress(at, packed.lengths[i]!, out, BLOCK_BYTES)
            return Buffer.from(packed.areas.memory.slice(out, BLOCK_BYTES))
          }),
      }
      return { operations: BLOCKS, ours: side, twin }
    },
  }
}

function unpacking(kind: Content): Case {
  return {
    name: `decompress 4 KiB, ${kind}`,
    prepare() {
      const plain = content(kind)
      const packed = ours(plain)
      packAll(packed)
      const { kernels, areas, targets, lengths } = packed
      const outs = plain.map(() => areas.take(BLOCK_BYTES))
      const theirs = plain.map((bytes) => compress(bytes))
      const found: Uint8Array[] = []
      const twin: Side = {
        run() {
          for (let i = 0; i < BLOCKS; i++) found[i] = decompress(theirs[i]!)
        },
        answer: () => found.map((bytes) => Buffer.from(bytes)),
      }
      const side: Side = {
        run() {
          for (let i = 0; i < BLOCKS; i++) {
            kernels.lz4Decompress(targets[i]!, lengths[i]!, outs[i]!, BLOCK_BYTES)
          }
        },
        answer: () => outs.map((at) => Buffer.from(areas.memory.slice(at, BLOCK_BYTES))),
      }
      return { operations: BLOCKS, ours: side, twin }
    },
  }
}

export const lz4Area: Area = {
  name: 'lz4',
  cases: [
    packing('half noise'),
    packing('JSON'),
    packing('noise'),
    unpacking('half noise'),
    unpacking('JSON'),
  ],
}
