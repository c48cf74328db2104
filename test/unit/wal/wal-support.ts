// A heap with kernels, and WALs written the way the write queue writes them.

import { encodeRecord, type LogRecord } from '../../../src/format/record.ts'
import {
  FRAME_HAS_LINK,
  FRAME_HEADER_BYTES,
  LINK_BYTES,
  type WalLink,
  writeLink,
} from '../../../src/format/wal-frame.ts'
import { walPath } from '../../../src/io/file-names.ts'
import type { FileSystem } from '../../../src/io/file-system.ts'
import type { Kernels } from '../../../src/kernel/kernels.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { type SharedHeap, viewHeap } from '../../../src/memory/shared-heap.ts'
import { type ReplayedWal, replayArenaBytes, replayWal } from '../../../src/wal/replay.ts'
import { WalFile } from '../../../src/wal/wal-file.ts'

export interface Bench {
  readonly heap: SharedHeap
  readonly kernels: Kernels
}

const SCRATCH = 64
const FRAME = 4096
const ARENA = 1 << 20

export function bench(pages = 256): Bench {
  const memory = new WebAssembly.Memory({ initial: pages, maximum: pages, shared: true })
  return { heap: viewHeap({ id: 1, generation: 1, memory }), kernels: wasmKernels(memory) }
}

export interface FrameSpec {
  readonly records: readonly LogRecord[]
  readonly syncedOffset?: number
  readonly manifestEdit?: number
  readonly link?: WalLink
  readonly recordCount?: number
}

export const NO_LINK: WalLink = { number: 0, length: 0, lastVersion: 0, synced: true }

export function put(version: number, key: string, value: string, commitEnd = true): LogRecord {
  const bytes = Buffer.from(key)
  return {
    kind: 'put',
    key: bytes,
    value: Buffer.from(value),
    version,
    expiresAt: 0,
    meta: 0,
    commitEnd,
  }
}

export function appendFrame({ heap, kernels }: Bench, wal: WalFile, spec: FrameSpec): void {
  const { records, syncedOffset = 0, manifestEdit = 1, link } = spec
  let at = FRAME + FRAME_HEADER_BYTES
  if (link !== undefined) {
    writeLink(heap.u32, at, link)
    at += LINK_BYTES
  }
  for (const record of records) {
    const bytes = encodeRecord(record)
    heap.bytes.set(bytes, at)
    at += bytes.length
  }
  const length = wal.sealFrame(
    { kernels, heap, scratch: SCRATCH },
    FRAME,
    at - FRAME - FRAME_HEADER_BYTES,
    {
      syncedOffset,
      manifestEdit,
      lastVersion: records.reduce((most, { version }) => Math.max(most, version), 0),
      recordCount: spec.recordCount ?? records.length,
      flags: link === undefined ? 0 : FRAME_HAS_LINK,
    },
  )
  wal.file.writeSync(heap.bytes.subarray(FRAME, FRAME + length), wal.length)
  wal.appended()
}

export function writeWal(
  bench: Bench,
  fs: FileSystem,
  number: number,
  frames: readonly FrameSpec[],
): WalFile {
  const wal = WalFile.create(fs, '/db', number, Buffer.from('a1b2c3d4e5f60718', 'hex'))
  for (const frame of frames) appendFrame(bench, wal, frame)
  return wal
}

export function replay(
  { heap, kernels }: Bench,
  fs: FileSystem,
  wal: Pick<WalFile, 'number' | 'saltHex'>,
  sealed?: { length: number; digest: string },
): ReplayedWal {
  const size = fs.statSync(walPath('/db', wal.number))?.size ?? 0
  const arena = { address: ARENA, length: replayArenaBytes(size) }
  const source = { fs, directory: '/db', number: wal.number, salt: wal.saltHex }
  return replayWal(sealed === undefined ? source : { ...source, sealed }, {
    heap,
    kernels,
    arena,
    cancelled: () => false,
  })
}

/** Every entry the arena holds, as `key@version=value`. */
export function linkedEntries({ heap, kernels }: Bench): string[] {
  const out = 65_536
  const capacity = 1_000
  const count = kernels.memtablePage(ARENA, 0, 0, 0, 0, 0, out, capacity)
  const { bytes } = heap
  return Array.from({ length: count }, (_, i) => {
    const at = out + i * 48
    const key = bytes.readUInt32LE(at + 8)
    const value = bytes.readUInt32LE(at + 16)
    const text = (from: number, length: number): string =>
      bytes.toString('latin1', from, from + length)
    const version = Number(bytes.readBigUInt64LE(at + 24))
    const keyText = text(key, bytes.readUInt32LE(at + 12))
    return `${keyText}@${version}=${text(value, bytes.readUInt32LE(at + 20))}`
  })
}

export function fileBytes(fs: FileSystem, number: number): Buffer {
  const file = fs.openSync(walPath('/db', number), 'read')
  const bytes = Buffer.alloc(file.sizeSync())
  file.readSync(bytes, 0)
  file.closeSync()
  return bytes
}

/** Replaces the file's content. */
export function setFile(fs: FileSystem, number: number, bytes: Uint8Array): void {
  const path = walPath('/db', number)
  if (fs.statSync(path) !== undefined) fs.removeSync(path)
  const file = fs.openSync(path, 'create')
  file.writeSync(bytes, 0)
  file.closeSync()
}
