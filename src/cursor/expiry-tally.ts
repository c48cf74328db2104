// How much of a table expires when, counted while it is written, and again when it is read: in slots of time, as narrow
// as leaves only so many of them, then as the few steps that its properties keep. Any thread. Invariant: the order in
// which entries come changes nothing, so one count can be held against the other.
import { EXPIRY_STEPS_MAX } from '../base/limits.ts'
import type { ExpiryStep } from '../format/table-meta.ts'

/** Each step ends within a slot of where it should. */
const SLOTS_MAX = 1024
/** What an entry takes beside its key and value, about: its head, its share of filter and index. */
const ENTRY_BYTES = 8

type Slot = { -readonly [Field in keyof ExpiryStep]: ExpiryStep[Field] }

export class ExpiryTally {
  #slots = new Map<number, Slot>()
  /** Of a slot in ms, a power of two: doubled whenever there are too many. */
  #width = 1

  /** `bytes`: of key and value, as they lie in the table; `referred`: of the value in a segment. */
  add(expiresAt: number, bytes: number, referred: number): void {
    this.#put({ until: expiresAt, entries: 1, bytes: bytes + ENTRY_BYTES, referred })
    while (this.#slots.size > SLOTS_MAX) this.#widen()
  }

  /** By time, of about equal weight, EXPIRY_STEPS_MAX at most; none: nothing expires. */
  steps(): readonly ExpiryStep[] {
    const slots = [...this.#slots.values()].sort((a, b) => a.until - b.until)
    const all = slots.reduce((sum, slot) => sum + weightOf(slot), 0)
    const steps: ExpiryStep[] = []
    let open: Slot | undefined
    let seen = 0
    for (const slot of slots) {
      seen += weightOf(slot)
      open = open === undefined ? { ...slot } : joined(open, slot)
      if (seen * EXPIRY_STEPS_MAX < all * (steps.length + 1)) continue
      steps.push(open)
      open = undefined
    }
    return steps
  }

  #put(slot: Slot): void {
    const place = Math.floor(slot.until / this.#width)
    const there = this.#slots.get(place)
    if (there === undefined) this.#slots.set(place, slot)
    else joined(there, slot)
  }

  #widen(): void {
    const slots = this.#slots
    this.#slots = new Map()
    this.#width *= 2
    for (const slot of slots.values()) this.#put(slot)
  }
}

function weightOf({ bytes, referred }: ExpiryStep): number {
  return bytes + referred
}

/** The first one, which takes the other in. */
function joined(slot: Slot, other: ExpiryStep): Slot {
  slot.until = Math.max(slot.until, other.until)
  slot.entries += other.entries
  slot.bytes += other.bytes
  slot.referred += other.referred
  return slot
}
