// One file's bytes: cached, durable, and the changes between the two. Bytes reach the disk in whole sectors, as the
// cache held them when they were written; so a later write of a sector brings an earlier one along.

export const SECTOR = 512

/** What becomes of a change: all of it, nothing, of a write the bytes below `upTo`, behind which the file either
 * ends or, its new length being on disk already, holds zeros or what the blocks held before; or the bytes from `from`
 * on, before which there is what was there, or zeros. */
export type Survived =
  | 'all'
  | 'none'
  | { readonly upTo: number; readonly rest: 'missing' | 'zeros' | 'garbage' }
  | { readonly from: number }

export interface DataChange {
  readonly index: number
  readonly kind: 'write' | 'truncate'
  /** Start of the first sector. */
  readonly at: number
  /** Of a write: end of the last sector, or of the file. Of a truncation: the new length. */
  readonly end: number
  /** Of a write: the sectors as they were right after it. */
  readonly bytes: Buffer
}

export interface FileContent {
  readonly length: number
  /** Changes that are not durable, oldest first. */
  readonly pending: readonly DataChange[]
  read(target: Uint8Array, position: number): number
  write(index: number, at: number, source: Uint8Array): void
  truncate(index: number, length: number): void
  /** Changes of the log before `before` are durable. */
  sync(before: number): void
  lose(before: number, mode: 'clean' | 'revert'): void
  /** The file after a power cut. Not to be written into. */
  image(survives: (change: DataChange) => Survived): Buffer
}

const NOTHING: Buffer = Buffer.alloc(0)
const GARBAGE = 0xa5
const CAPACITY_LEAST = 4_096

export class DataOps implements FileContent {
  /** The first `length` bytes are the file. */
  #cached: Buffer
  #length: number
  /** #cached is somebody else's, too. */
  #shared = true
  #durable: Buffer
  /** Durable, but not yet part of #durable. */
  #synced: DataChange[] = []
  #pending: DataChange[] = []

  constructor(durable: Buffer) {
    this.#cached = durable
    this.#durable = durable
    this.#length = durable.length
  }

  get length(): number {
    return this.#length
  }

  get pending(): readonly DataChange[] {
    return this.#pending
  }

  read(target: Uint8Array, position: number): number {
    if (position >= this.#length) return 0
    const end = Math.min(this.#length, position + target.length)
    target.set(this.#cached.subarray(position, end))
    return end - position
  }

  write(index: number, at: number, source: Uint8Array): void {
    const end = at + source.length
    this.#reserve(end)
    this.#cached.set(source, at)
    this.#length = Math.max(this.#length, end)
    const from = Math.floor(at / SECTOR) * SECTOR
    const to = Math.min(this.#length, Math.ceil(end / SECTOR) * SECTOR)
    const bytes = Buffer.from(this.#cached.subarray(from, to))
    this.#pending.push({ index, kind: 'write', at: from, end: to, bytes })
  }

  truncate(index: number, length: number): void {
    this.#reserve(length)
    if (length < this.#length) this.#cached.fill(0, length, this.#length)
    this.#length = length
    this.#pending.push({ index, kind: 'truncate', at: length, end: length, bytes: NOTHING })
  }

  sync(before: number): void {
    const [written, waiting] = split(this.#pending, before)
    this.#synced.push(...written)
    this.#pending = waiting
  }

  lose(before: number, mode: 'clean' | 'revert'): void {
    this.#pending = split(this.#pending, before)[1]
    if (mode === 'clean') return
    this.#cached = this.image(() => 'all')
    this.#length = this.#cached.length
    this.#shared = true
  }

  image(survives: (change: DataChange) => Survived): Buffer {
    this.#durable = applied(this.#durable, this.#synced, () => 'all')
    this.#synced = []
    return applied(this.#durable, this.#pending, survives)
  }

  #reserve(length: number): void {
    if (!this.#shared && this.#cached.length >= length) return
    const capacity = Math.max(length, this.#length * (this.#shared ? 1 : 2), CAPACITY_LEAST)
    const bytes = Buffer.alloc(capacity)
    this.#cached.copy(bytes, 0, 0, this.#length)
    this.#cached = bytes
    this.#shared = false
  }
}

function split(changes: readonly DataChange[], before: number): [DataChange[], DataChange[]] {
  return [
    changes.filter(({ index }) => index < before),
    changes.filter(({ index }) => index >= before),
  ]
}

function applied(
  bytes: Buffer,
  changes: readonly DataChange[],
  survives: (change: DataChange) => Survived,
): Buffer {
  let length = bytes.length
  let most = length
  const kept: [DataChange, Survived][] = []
  for (const change of changes) {
    const survived = survives(change)
    if (survived === 'none') continue
    kept.push([change, survived])
    most = Math.max(most, change.end)
  }
  if (kept.length === 0) return bytes
  const after = Buffer.alloc(most)
  bytes.copy(after)
  for (const [change, survived] of kept) {
    if (change.kind === 'truncate') {
      after.fill(0, change.end, length)
      length = change.end
      continue
    }
    length = Math.max(length, place(after, length, change, survived))
  }
  return after.subarray(0, length)
}

/** Puts what survived of a write into the file of `length` bytes, and returns where it ends. */
function place(
  file: Buffer,
  length: number,
  { at, end, bytes }: DataChange,
  survived: Survived,
): number {
  if (typeof survived !== 'object') {
    bytes.copy(file, at)
    return end
  }
  if ('from' in survived) {
    bytes.copy(file, survived.from, survived.from - at)
    return end
  }
  const { upTo, rest } = survived
  bytes.copy(file, at, 0, upTo - at)
  if (rest === 'missing') return upTo
  const from = Math.max(upTo, length)
  // The sector in which the file ended was written with zeros behind the end.
  const stale = Math.min(end, Math.ceil(from / SECTOR) * SECTOR)
  file.fill(0, Math.min(from, end), stale)
  if (rest === 'garbage' && stale < end) file.fill(staleBytes(file, stale), stale, end)
  else file.fill(0, stale, end)
  return end
}

/** What a reused block may hold: pieces of the file itself, at the wrong place. */
function staleBytes(file: Buffer, length: number): Buffer {
  return length === 0 ? Buffer.of(GARBAGE) : Buffer.from(file.subarray(0, length))
}
