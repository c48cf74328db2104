// Many values at once: those that lie near each other in a segment come with one read. One thread; what is borrowed of
// the heap goes back before the call returns.
import type { KernelHeap } from '../cursor/words.ts'
import { readWhole } from '../io/read-whole.ts'
import type { Region } from '../memory/shared-heap.ts'
import type { OpenSegments } from './open-segments.ts'
import { type BriefMemory, roomFor, SMALL_VALUE_MAX, type ValueReader } from './value-reader.ts'
import { ValueWalk, type WantedValue } from './value-walk.ts'

/** Bytes of one read, and how many of them nobody may have asked for between two values: about what the file system
 * copies in the time of another call. */
const RUN_BYTES: number = 256 * 1024
const GAP_BYTES: number = 8 * 1024

export interface ReadValuesParts extends KernelHeap {
  readonly memory: BriefMemory
  readonly segments: OpenSegments
  readonly reader: ValueReader
}

/** Takes the value of one place in `wanted`; else as TakeBytes. */
export type TakeNth = (index: number, bytes: Buffer, at: number, length: number) => void

/** `take` gets the value of each place in `wanted`, in the order in which they lie in their segments. */
export function readValues(
  parts: ReadValuesParts,
  wanted: readonly WantedValue[],
  take: TakeNth,
): void {
  const { memory, segments, reader } = parts
  const order = inFileOrder(wanted)
  let room: Region | undefined
  try {
    for (let first = 0; first < order.length; ) {
      let last = endOfRun(wanted, order, first)
      if (last - first > 1) room ??= memory.allocateBriefly(RUN_BYTES + roomFor(SMALL_VALUE_MAX))
      if (last - first > 1 && room !== undefined) {
        readRun(parts, { wanted, members: order.slice(first, last), room, take })
      } else {
        last = first + 1
        const index = order[first]!
        const value = wanted[index]!
        const segment = segments.get(value.segment)
        reader.read(segment, value, (bytes, at, length) => take(index, bytes, at, length))
      }
      first = last
    }
  } finally {
    if (room !== undefined) memory.free(room)
  }
}

/** Indexes of `wanted`, by segment and offset. */
function inFileOrder(wanted: readonly WantedValue[]): number[] {
  const order = wanted.map((_, index) => index)
  return order.sort((i, j) => {
    const a = wanted[i]!
    const b = wanted[j]!
    return a.segment - b.segment || a.offset - b.offset
  })
}

/** Where the run ends that begins at `first`: small values of one segment, next to each other. */
function endOfRun(wanted: readonly WantedValue[], order: readonly number[], first: number): number {
  const { segment, offset } = wanted[order[first]!]!
  let end = offset
  let next = first
  for (; next < order.length; next++) {
    const value = wanted[order[next]!]!
    const valueEnd = value.offset + value.storedLength
    const joins =
      value.segment === segment &&
      value.offset - end <= GAP_BYTES &&
      value.valueLength <= SMALL_VALUE_MAX &&
      valueEnd - offset <= RUN_BYTES
    if (!joins) break
    end = Math.max(end, valueEnd)
  }
  return Math.max(next, first + 1)
}

interface Run {
  readonly wanted: readonly WantedValue[]
  /** Indexes of `wanted`. */
  readonly members: readonly number[]
  readonly room: Region
  readonly take: TakeNth
}

function readRun({ heap, segments, reader }: ReadValuesParts, run: Run): void {
  const { wanted, members, room, take } = run
  const first = wanted[members[0]!]!
  const segment = segments.get(first.segment)
  const walks = members.map((index) => new ValueWalk(segment, wanted[index]!))
  const end = walks.reduce((most, walk) => Math.max(most, walk.offset + walk.left), 0)
  const from = room.address
  readWhole(segment.file, heap.bytes.subarray(from, from + end - first.offset), first.offset)
  for (let i = 0; i < walks.length; i++) {
    const walk = walks[i]!
    const index = members[i]!
    const address = from + walk.offset - first.offset
    reader.openPart(walk, address, from + RUN_BYTES, (bytes, at, length) => {
      take(index, bytes, at, length)
    })
  }
}
