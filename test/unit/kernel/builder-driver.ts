// Plays the caller of the table builder: drains, writes large and lazy entries alone, ends the table when a
// region is full. Collects the file's data blocks and what the builder lists about them.
import { hash64 } from '../../../src/base/xxh64.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import * as layout from '../../../src/kernel/layout.ts'
import { encodeBlock } from './block-encode.ts'
import { Areas, newMemory, putDescriptor, type Seeded, type TestEntry } from './block-support.ts'

export type BuilderKernels = Pick<
  Kernels,
  | 'builderStart'
  | 'builderAppend'
  | 'builderStopped'
  | 'builderCloseBlock'
  | 'builderSealBlock'
  | 'builderFinishBlock'
  | 'builderDrained'
  | 'builderAlone'
>

export interface TableSettings {
  readonly blockSize: number
  readonly outCapacity: number
  readonly blocksCapacity: number
  readonly keysCapacity: number
  readonly hashesCapacity: number
  readonly baseVersion: number
  /** The caller seals each block itself, with this in place of the payload; shorter: as if compressed by codec 1. */
  readonly pack?: (payload: Buffer) => Buffer
}

export interface ListedBlock {
  readonly offset: number
  readonly length: number
  readonly firstKey: Buffer
  readonly lastKey: Buffer
  readonly entries: number
  readonly payload: number
}

export interface BuiltTable {
  /** Stored blocks; file offset 64 is the first byte. */
  readonly data: Buffer
  readonly blocks: ListedBlock[]
  readonly hashes: bigint[]
  /** The u64 counts, in the order of layout.ts. */
  readonly counts: number[]
  readonly entries: TestEntry[]
  readonly alone: Set<number>
  /** Results of every call, for comparison between implementations. */
  readonly trace: string[]
}

export const FIRST_OFFSET = 64
export const FILE_NUMBER = 9
export const SALT: Buffer = Buffer.from('0123456789abcdef', 'hex')
const BATCH_MAX = 24

export class TableRun {
  private readonly shared: WebAssembly.Memory
  private readonly areas: Areas
  private readonly settings: TableSettings
  private readonly builder: number
  private readonly batch: number
  private readonly batchBytes: number
  private readonly canaries: number[] = []
  private written: Buffer[] = []
  private trace: string[] = []
  private alone = new Set<number>()

  constructor(settings: TableSettings, entries: readonly TestEntry[]) {
    this.settings = settings
    const largest = Math.max(...entries.map((entry) => entry.key.length + entry.value.length))
    this.batchBytes = BATCH_MAX * (layout.DESC_SIZE + largest + 16)
    const lists = settings.keysCapacity + 8 * settings.hashesCapacity + settings.outCapacity
    const blocks = layout.BLOCK_ENTRY_SIZE * settings.blocksCapacity
    this.shared = newMemory(lists + blocks + this.batchBytes + 8_192)
    this.areas = new Areas(this.shared)
    this.builder = this.areas.take(layout.BUILDER_SIZE)
    this.areas.memory.slice(this.builder, layout.BUILDER_SIZE).fill(0x5a)
    this.fill()
    this.batch = this.areas.take(this.batchBytes)
  }

  private fill(): void {
    const { areas, settings } = this
    this.region(layout.BUILDER_OUT, settings.outCapacity, 1)
    this.region(layout.BUILDER_BLOCKS, settings.blocksCapacity, layout.BLOCK_ENTRY_SIZE)
    this.region(layout.BUILDER_KEYS, settings.keysCapacity, 1)
    this.region(layout.BUILDER_HASHES, settings.hashesCapacity, 8)
    this.set(layout.BUILDER_BLOCK_SIZE, settings.blockSize)
    this.set(layout.BUILDER_SALT, areas.bytes(SALT))
    this.set(layout.BUILDER_STOP_AT_BLOCK, settings.pack === undefined ? 0 : 1)
    areas.memory.setU64(this.builder + layout.BUILDER_FILE_NUMBER, FILE_NUMBER)
    areas.memory.setU64(this.builder + layout.BUILDER_BASE_VERSION, settings.baseVersion)
    areas.memory.setU64(this.builder + layout.BUILDER_FILE_OFFSET, FIRST_OFFSET)
  }

  private region(field: number, capacity: number, size: number): void {
    const at = this.areas.take(capacity * size + 64)
    this.set(field, at)
    this.set(field + 4, capacity)
    this.areas.memory.slice(at + capacity * size, 64).fill(0xa5)
    this.canaries.push(at + capacity * size)
  }

  private get(field: number): number {
    return this.areas.memory.u32(this.builder + field)
  }

  private set(field: number, value: number): void {
    this.areas.memory.setU32(this.builder + field, value)
  }

  private drain(kernels: BuilderKernels): void {
    const used = this.get(layout.BUILDER_OUT_USED)
    const out = this.areas.memory.slice(this.get(layout.BUILDER_OUT), used)
    this.written.push(Buffer.from(out))
    kernels.builderDrained(this.builder)
  }

  /** Appends a prefix of `entries` as one table; `implementations` take turns call by call. */
  run(
    bind: readonly ((memory: WebAssembly.Memory) => BuilderKernels)[],
    entries: readonly TestEntry[],
    random: Seeded,
  ): BuiltTable {
    const all = bind.map((one) => one(this.shared))
    let turn = 0
    const next = () => all[turn++ % all.length]!
    next().builderStart(this.builder)
    let taken = 0
    let full = false
    while (taken < entries.length && !full) {
      const batch = entries.slice(taken, taken + random.int(1, BATCH_MAX))
      const at = this.putBatch(batch)
      const count = next().builderAppend(this.builder, at, batch.length)
      taken += count
      const reason = next().builderStopped(this.builder)
      this.trace.push(`${count} ${reason} ${this.get(layout.BUILDER_OUT_USED)}`)
      if (reason === 1) this.drain(next())
      if (reason === 2) full = true
      if (reason === 3) {
        const entry = batch[count]!
        full = !this.writeAlone(next, at + layout.DESC_SIZE * count, entry)
        if (!full) taken++
      }
      if (reason === 4) this.sealBlock(next)
      if (reason === 0 && count !== batch.length) throw new Error('stopped for nothing')
      if (random.chance(0.05)) this.drain(next())
      this.checkCanaries()
    }
    this.sealBlock(next)
    this.checkCanaries()
    this.drain(next())
    return this.result(entries.slice(0, taken))
  }

  private sealBlock(next: () => BuilderKernels): void {
    const { pack } = this.settings
    if (pack === undefined) {
      next().builderFinishBlock(this.builder)
      return
    }
    const length = next().builderCloseBlock(this.builder)
    if (length === 0) return
    const start = this.get(layout.BUILDER_OUT) + this.get(layout.BUILDER_OUT_USED)
    const payload = this.areas.memory.slice(start, length)
    const packed = pack(Buffer.from(payload))
    packed.copy(payload)
    next().builderSealBlock(this.builder, packed.length < length ? 1 : 0, packed.length)
  }

  private checkCanaries(): void {
    for (const at of this.canaries) {
      const canary = this.areas.memory.slice(at, 64)
      if (!canary.every((byte) => byte === 0xa5)) throw new Error('canary')
    }
  }

  /** The batch's bytes overwrite those of the batch before. */
  private putBatch(batch: readonly TestEntry[]): number {
    const local = new Areas(this.shared)
    local.take(this.batch - 64, 1)
    this.areas.memory.slice(this.batch, this.batchBytes).fill(0xee)
    const at = local.take(layout.DESC_SIZE * batch.length)
    batch.forEach((entry, i) => {
      const flags = entry.meta === 255 ? layout.DESC_LAZY : 0
      putDescriptor(local, at + layout.DESC_SIZE * i, entry, { flags })
    })
    return at
  }

  private writeAlone(next: () => BuilderKernels, at: number, entry: TestEntry): boolean {
    this.sealBlock(next)
    this.drain(next())
    const { bytes } = encodeBlock([entry], this.settings.baseVersion, 16)
    const position = this.areas.memory.u64(this.builder + layout.BUILDER_FILE_OFFSET)
    const stored = Buffer.alloc(bytes.length + layout.BLOCK_TRAILER)
    bytes.copy(stored)
    stored.writeUInt32LE(bytes.length, bytes.length + 4)
    const checked = stored.subarray(0, bytes.length + 8)
    stored.writeBigUInt64LE(hash64(checked, seedAt(position)), bytes.length + 8)
    const registered = next().builderAlone(this.builder, at, stored.length, bytes.length)
    this.trace.push(`alone ${registered}`)
    if (registered === 0) return false
    this.alone.add(this.get(layout.BUILDER_BLOCK_COUNT) - 1)
    this.written.push(stored)
    return true
  }

  private result(entries: TestEntry[]): BuiltTable {
    const { memory } = this.areas
    const blocks: ListedBlock[] = []
    for (let i = 0; i < this.get(layout.BUILDER_BLOCK_COUNT); i++) {
      const at = this.get(layout.BUILDER_BLOCKS) + layout.BLOCK_ENTRY_SIZE * i
      const key = (field: number) =>
        Buffer.from(memory.slice(memory.u32(at + field), memory.u32(at + field + 4)))
      blocks.push({
        offset: memory.u64(at + layout.BLOCK_ENTRY_OFFSET),
        length: memory.u32(at + layout.BLOCK_ENTRY_LENGTH),
        firstKey: key(layout.BLOCK_ENTRY_FIRST_KEY),
        lastKey: key(layout.BLOCK_ENTRY_LAST_KEY),
        entries: memory.u32(at + layout.BLOCK_ENTRY_ENTRIES),
        payload: memory.u32(at + layout.BLOCK_ENTRY_PAYLOAD),
      })
    }
    const hashes: bigint[] = []
    for (let i = 0; i < this.get(layout.BUILDER_HASH_COUNT); i++) {
      hashes.push(memory.view.getBigUint64(this.get(layout.BUILDER_HASHES) + 8 * i, true))
    }
    const counts = Array.from({ length: 8 }, (_, i) =>
      memory.u64(this.builder + layout.BUILDER_ENTRIES + 8 * i),
    )
    const data = Buffer.concat(this.written)
    return { data, blocks, hashes, counts, entries, alone: this.alone, trace: this.trace }
  }
}

/** seed(salt, fileNumber, position) of FORMAT §1. */
export function seedAt(position: number): bigint {
  const bytes = Buffer.alloc(24)
  SALT.copy(bytes)
  bytes.writeBigUInt64LE(BigInt(FILE_NUMBER), 8)
  bytes.writeBigUInt64LE(BigInt(position), 16)
  return hash64(bytes, 0n)
}
