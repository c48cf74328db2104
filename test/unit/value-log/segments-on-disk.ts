// Segments written by the twin, and a reader over them in a heap whose pieces are guarded.
import { resolve } from 'node:path'
import { hash64 } from '../../../src/base/xxh64.ts'
import type { SegmentMeta } from '../../../src/format/segments/segment-meta.ts'
import { segmentPath } from '../../../src/io/file-names.ts'
import type { FileSystem, OpenFile } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import type { Region, SharedHeap } from '../../../src/memory/shared-heap.ts'
import { OpenSegments } from '../../../src/value-log/open-segments.ts'
import { type ReadValuesParts, readValues } from '../../../src/value-log/read-values.ts'
import {
  type TakeBytes,
  VALUE_READER_BYTES,
  ValueReader,
} from '../../../src/value-log/value-reader.ts'
import type { WantedValue } from '../../../src/value-log/value-walk.ts'
import { GuardedAllocator } from '../../corrupt/fuzz/guarded-allocator.ts'
import { wrappedFile } from '../../support/wrapped-file.ts'
import { type SegmentTwinSpec, type SegmentTwinValue, segmentTwin } from '../../twins/segment.ts'

const HEAP_BYTES = 8 * 1024 * 1024
const DIRECTORY = '/db'

/** A copy of what was taken. */
export const copied: TakeBytes<Buffer> = (bytes, at, length) =>
  Buffer.from(bytes.subarray(at, at + length))

export class SegmentsOnDisk {
  readonly fs: FileSystem
  readonly directory: string
  readonly metas: Map<number, SegmentMeta> = new Map()
  readonly segments: OpenSegments
  readonly reader: ValueReader
  readonly allocator: GuardedAllocator
  readonly machine: Pick<ReadValuesParts, 'heap' | 'kernels'>
  /** Files open now, and reads of segments, with their lengths. */
  readonly open: Set<OpenFile> = new Set()
  readonly reads: number[] = []
  /** The heap has nothing to lend. */
  full = false
  closedOthers = 0
  #number = 0

  constructor(
    filesMax = 64,
    inner: FileSystem = memoryFileSystem(),
    directory: string = DIRECTORY,
  ) {
    const heap: SharedHeap = new HeapPool().acquire(HEAP_BYTES)
    this.machine = { heap, kernels: wasmKernels(heap.memory) }
    this.directory = directory
    this.fs = this.#counting(inner)
    inner.makeDirectorySync(directory)
    this.allocator = new GuardedAllocator(heap)
    this.segments = new OpenSegments({
      fs: this.fs,
      directory,
      metaOf: (number) => this.metas.get(number),
      filesMax,
      closeOthers: () => {
        this.closedOthers += 1
        return this.closedOthers === 1
      },
    })
    const scratch = this.allocator.allocate(VALUE_READER_BYTES, 64)!.address
    this.reader = new ValueReader({ ...this.machine, memory: this, scratch })
  }

  allocateBriefly(length: number): Region | undefined {
    return this.full ? undefined : this.allocator.allocateBriefly(length)
  }

  free(region: Region): void {
    this.allocator.free(region)
  }

  /** Writes the next segment; what to ask for, in the order of the values. */
  write(values: readonly SegmentTwinValue[], pack?: SegmentTwinSpec['pack']): WantedValue[] {
    this.#number += 1
    const number = this.#number
    const salt = Buffer.alloc(8, 16 + number)
    const plain = { number, salt, values }
    const { bytes, places } = segmentTwin(pack === undefined ? plain : { ...plain, pack })
    this.put(number, bytes)
    this.metas.set(number, { number, size: bytes.length, salt: salt.toString('hex') })
    return places.map((place, i) => {
      return { segment: number, ...place, keyHash: hash64(values[i]!.key, 0n) }
    })
  }

  /** The file as it is to be. */
  put(number: number, bytes: Buffer): void {
    const path = segmentPath(this.directory, number)
    if (this.fs.statSync(path) !== undefined) this.fs.removeSync(path)
    const file = this.fs.openSync(path, 'create')
    file.writeSync(bytes, 0)
    file.closeSync()
  }

  bytes(number: number): Buffer {
    const file = this.fs.openSync(segmentPath(this.directory, number), 'read')
    const bytes = Buffer.alloc(file.sizeSync())
    file.readSync(bytes, 0)
    file.closeSync()
    return bytes
  }

  read(wanted: WantedValue): Buffer {
    return this.reader.read(this.segments.get(wanted.segment), wanted, copied)
  }

  async readAsync(wanted: WantedValue): Promise<Buffer> {
    const segment = this.segments.acquire(wanted.segment)
    try {
      return await this.reader.readAsync(segment, wanted, copied)
    } finally {
      this.segments.release(segment)
    }
  }

  readAll(wanted: readonly WantedValue[]): Buffer[] {
    const found: Buffer[] = []
    const parts = { ...this.machine, memory: this, segments: this.segments, reader: this.reader }
    readValues(parts, wanted, (index, bytes, at, length) => {
      if (found[index] !== undefined) throw new Error('a value is given once')
      found[index] = copied(bytes, at, length)
    })
    return found
  }

  #counting(inner: FileSystem): FileSystem {
    return {
      ...inner,
      openSync: (path, mode) => {
        const file = inner.openSync(path, mode)
        const counted = wrappedFile(file, {
          path: resolve(path),
          readSync: (target, position) => {
            this.reads.push(target.length)
            return file.readSync(target, position)
          },
          read: (target, position) => {
            this.reads.push(target.length)
            return file.read(target, position)
          },
          closeSync: () => {
            this.open.delete(counted)
            file.closeSync()
          },
        })
        this.open.add(counted)
        return counted
      },
    }
  }
}
