// Two memories of one layout, so that kernel and twin must answer with the same addresses and
// bytes.
import type { Kernels } from '../../../src/kernel/kernels.ts'
import {
  ARENA_HEADER,
  DESC_SIZE,
  RECORD_HEADER,
  RECORD_HEADER_WITH_EXPIRY,
  TAG_EXPIRY,
  TAG_META,
} from '../../../src/kernel/layout.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { memtableTwin } from '../../twins/memtable.ts'

export type MemtableKernels = Pick<
  Kernels,
  'memtableInit' | 'memtableLink' | 'memtableGet' | 'memtablePage'
>

export interface TestRecord {
  readonly key: Buffer
  readonly value?: Buffer
  readonly version: number
  readonly tag?: number
  readonly meta?: number
  readonly expiresAt?: number
}

const PAGE = 65_536
/** Key scratch, then page output; the arena starts behind them. */
const KEY_AT = 8
const OUT_AT = 131_072
export const OUT_CAPACITY = 4096
const ARENA_AT = OUT_AT + OUT_CAPACITY * DESC_SIZE

export function sharedMemory(byteLength: number): WebAssembly.Memory {
  const pages = Math.ceil(byteLength / PAGE)
  return new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
}

/** FORMAT §4. */
export function encodeRecord(record: TestRecord): Buffer {
  const { key, value = Buffer.alloc(0), version, meta = 0, expiresAt } = record
  let tag = record.tag ?? 1
  if (meta !== 0) tag |= TAG_META
  if (expiresAt !== undefined) tag |= TAG_EXPIRY
  const header = expiresAt === undefined ? RECORD_HEADER : RECORD_HEADER_WITH_EXPIRY
  const bytes = Buffer.alloc(Math.ceil((header + key.length + value.length) / 8) * 8)
  bytes.writeUInt32LE(value.length, 0)
  bytes.writeUInt16LE(key.length, 4)
  bytes[6] = tag
  bytes[7] = meta
  bytes.writeBigUInt64LE(BigInt(version), 8)
  if (expiresAt !== undefined) bytes.writeBigUInt64LE(BigInt(expiresAt), 16)
  key.copy(bytes, header)
  value.copy(bytes, header + key.length)
  return bytes
}

export class Rig {
  readonly arena: number = ARENA_AT
  readonly end: number
  readonly kernels: MemtableKernels
  readonly bytes: Buffer
  recordsEnd: number = ARENA_AT + ARENA_HEADER

  constructor(arenaBytes: number, make: (memory: WebAssembly.Memory) => MemtableKernels) {
    const memory = sharedMemory(ARENA_AT + arenaBytes)
    this.bytes = Buffer.from(memory.buffer)
    // An arena is recycled memory: whatever lay there before must not matter.
    this.bytes.fill(0xa5, ARENA_AT)
    this.kernels = make(memory)
    this.end = ARENA_AT + arenaBytes
    this.kernels.memtableInit(this.arena, this.end)
  }

  /** Writes records behind those there and links them as one run. */
  link(records: readonly TestRecord[]): number {
    const first = this.recordsEnd
    this.recordsEnd = this.write(records.map(encodeRecord))
    return this.kernels.memtableLink(this.arena, first, this.recordsEnd)
  }

  write(encoded: readonly Buffer[]): number {
    let at = this.recordsEnd
    for (const bytes of encoded) at += bytes.copy(this.bytes, at)
    return at
  }

  get(key: Buffer, maxVersion: number): number {
    key.copy(this.bytes, KEY_AT)
    return this.kernels.memtableGet(this.arena, KEY_AT, key.length, maxVersion)
  }

  /** The page's descriptors as bytes. */
  page(mode: number, key: Buffer, version: number, reverse: number, capacity: number): Buffer {
    key.copy(this.bytes, KEY_AT)
    const count = this.kernels.memtablePage(
      this.arena,
      mode,
      KEY_AT,
      key.length,
      version,
      reverse,
      OUT_AT,
      capacity,
    )
    return Buffer.from(this.bytes.subarray(OUT_AT, OUT_AT + count * DESC_SIZE))
  }

  u32(offset: number): number {
    return this.bytes.readUInt32LE(this.arena + offset)
  }
}

export function rigs(arenaBytes: number): { wasm: Rig; twin: Rig } {
  return { wasm: new Rig(arenaBytes, wasmKernels), twin: new Rig(arenaBytes, memtableTwin) }
}

/** A small seeded generator (mulberry32): test runs repeat. */
export function seeded(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state = (state + 0x6d2b79f5) | 0
    let t = Math.imul(state ^ (state >>> 15), state | 1)
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t
    return Math.floor((((t ^ (t >>> 14)) >>> 0) / 2 ** 32) * below)
  }
}

export function randomBytes(random: (below: number) => number, length: number): Buffer {
  return Buffer.from(Array.from({ length }, () => random(256)))
}
