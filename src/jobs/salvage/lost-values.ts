// Values that cannot be read any more, gathered by segment: neighbours are told together. Any thread.
import { compareBytes } from '../../base/bytes.ts'
import type { CorruptionPlace } from '../../base/errors.ts'
import type { ValuePointer } from '../../format/segments/value-pointer.ts'

/** Lost values of one segment between which none can be read. */
export interface LostValues extends CorruptionPlace {
  readonly segment: number
  /** Where the first of them lies, and how many bytes it is to the end of the last. */
  readonly from: number
  readonly length: number
  readonly values: number
  /** Least and greatest key. */
  readonly keys: { readonly first: Uint8Array; readonly last: Uint8Array }
}

interface Seen {
  readonly pointer: ValuePointer
  /** undefined: the value can be read. */
  readonly lost: { readonly place: CorruptionPlace; readonly key: Uint8Array } | undefined
}

export class LostValueList {
  readonly #seen = new Map<number, Seen[]>()

  /** Segments of which a value could be read. */
  readSegments(): number[] {
    const read = [...this.#seen].filter(([, seen]) => seen.some(({ lost }) => lost === undefined))
    return read.map(([number]) => number)
  }

  readable(pointer: ValuePointer): void {
    this.#add({ pointer, lost: undefined })
  }

  /** `key` is kept. */
  lost(pointer: ValuePointer, key: Uint8Array, place: CorruptionPlace): void {
    this.#add({ pointer, lost: { place, key } })
  }

  /** By segment and offset. */
  runs(): LostValues[] {
    return [...this.#seen].sort(([a], [b]) => a - b).flatMap(([, seen]) => runsOf(seen))
  }

  #add(seen: Seen): void {
    const { segment } = seen.pointer
    const values = this.#seen.get(segment)
    if (values === undefined) this.#seen.set(segment, [seen])
    else values.push(seen)
  }
}

function runsOf(seen: readonly Seen[]): LostValues[] {
  const runs: LostValues[] = []
  let open = false
  for (const { pointer, lost } of [...seen].sort((a, b) => a.pointer.offset - b.pointer.offset)) {
    if (lost !== undefined) {
      const { segment, offset: from, storedLength: length } = pointer
      const keys = { first: lost.key, last: lost.key }
      const one = { ...lost.place, segment, from, length, values: 1, keys }
      const before = open ? runs.pop() : undefined
      runs.push(before === undefined ? one : joined(before, one))
    }
    open = lost !== undefined
  }
  return runs
}

/** One run of two; its place is that of the one that begins first. */
export function joined(a: LostValues, b: LostValues): LostValues {
  const [front, other] = a.from <= b.from ? [a, b] : [b, a]
  const end = Math.max(a.from + a.length, b.from + b.length)
  const first = compareBytes(a.keys.first, b.keys.first) <= 0 ? a.keys.first : b.keys.first
  const last = compareBytes(a.keys.last, b.keys.last) >= 0 ? a.keys.last : b.keys.last
  const values = front.values + other.values
  return { ...front, length: end - front.from, values, keys: { first, last } }
}
