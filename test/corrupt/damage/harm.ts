// The ways in which one file of a database is harmed. Each gives a whole image in which only the harmed files are other
// buffers than before.
import type { Prng } from '../../model/prng.ts'
import type { Image } from '../image.ts'
import type { Specimen } from './specimen.ts'

export interface Harm {
  readonly kind: HarmKind
  /** Name of the file that was harmed. */
  readonly file: string
  readonly what: string
  readonly image: Image
}

export const HARM_KINDS = [
  'bit',
  'truncated',
  'zeros 512',
  'zeros 4096',
  'garbage',
  'moved within',
  'moved between',
  'misdirected',
  'lost sector',
  'older copy',
  'foreign copy',
  'removed',
  'renamed',
  'doubled',
] as const
export type HarmKind = (typeof HARM_KINDS)[number]

const SECTOR = 512

export class Harmer {
  readonly #specimen: Specimen
  readonly #foreign: Specimen
  readonly #random: Prng
  readonly #names: readonly string[]

  /** `foreign`: another database with files of the same names. */
  constructor(specimen: Specimen, foreign: Specimen, random: Prng) {
    this.#specimen = specimen
    this.#foreign = foreign
    this.#random = random
    this.#names = [...specimen.image.keys()].filter((name) => specimen.image.get(name)!.length > 0)
  }

  /** A harm of this kind to a random file, or to the given one; undefined: it does not apply there. */
  harm(kind: HarmKind, file: string = this.#pick(this.#names)): Harm | undefined {
    const before = this.#specimen.image.get(file)!
    const image = new Map(this.#specimen.image)
    const done = (what: string, bytes?: Buffer): Harm | undefined => {
      if (bytes !== undefined) {
        if (bytes.equals(before)) return undefined
        image.set(file, bytes)
      }
      return { kind, file, what, image }
    }
    switch (kind) {
      case 'bit':
        return done(...this.#bit(before))
      case 'truncated': {
        const length = this.#random.below(before.length)
        return done(`at ${length}`, before.subarray(0, length))
      }
      case 'zeros 512':
      case 'zeros 4096':
        return done(...this.#overwrite(before, kind === 'zeros 512' ? SECTOR : 4096, 'zeros'))
      case 'garbage':
        return done(...this.#overwrite(before, 1 + this.#random.below(3 * SECTOR), 'garbage'))
      case 'moved within':
        return done(...this.#move(before, before))
      case 'moved between':
      case 'misdirected': {
        const from = this.#specimen.image.get(this.#pick(this.#names))!
        return kind === 'misdirected'
          ? done(...this.#misdirect(before, from))
          : done(...this.#move(before, from))
      }
      case 'lost sector':
      case 'older copy':
      case 'foreign copy':
        return this.#copy(kind, file, before, done)
      case 'removed':
        image.delete(file)
        return done('')
      case 'renamed':
      case 'doubled': {
        const other = this.#pick(this.#names)
        if (other === file) return undefined
        if (kind === 'renamed') image.delete(file)
        image.set(other, before)
        return done(`to ${other}`)
      }
    }
  }

  #pick<T>(list: readonly T[]): T {
    return list[this.#random.below(list.length)]!
  }

  #bit(before: Buffer): [string, Buffer] {
    const at = this.#random.below(before.length)
    const bytes = Buffer.from(before)
    bytes[at]! ^= 1 << this.#random.below(8)
    return [`at ${at}`, bytes]
  }

  #overwrite(before: Buffer, length: number, how: 'zeros' | 'garbage'): [string, Buffer] {
    const at = Math.floor(this.#random.below(before.length) / SECTOR) * SECTOR
    const bytes = Buffer.from(before)
    const end = Math.min(bytes.length, at + length)
    if (how === 'zeros') bytes.fill(0, at, end)
    else for (let i = at; i < end; i++) bytes[i] = this.#random.below(256)
    return [`${end - at} bytes at ${at}`, bytes]
  }

  /** Some bytes of `from` at another place. */
  #move(before: Buffer, from: Buffer): [string, Buffer] {
    const length = Math.min(before.length, from.length, this.#pick([16, SECTOR, 4096]))
    const source = this.#random.below(from.length - length + 1)
    const target = this.#random.below(before.length - length + 1)
    const bytes = Buffer.from(before)
    from.copy(bytes, target, source, source + length)
    return [`${length} bytes from ${source} to ${target}`, bytes]
  }

  /** A write that was meant for another file, at the same offset. */
  #misdirect(before: Buffer, from: Buffer): [string, Buffer] {
    const at = Math.floor(this.#random.below(before.length) / SECTOR) * SECTOR
    const bytes = Buffer.from(before)
    bytes.set(from.subarray(at, Math.min(before.length, at + SECTOR)), at)
    return [`at ${at}`, bytes]
  }

  #copy(
    kind: 'lost sector' | 'older copy' | 'foreign copy',
    file: string,
    before: Buffer,
    done: (what: string, bytes: Buffer) => Harm | undefined,
  ): Harm | undefined {
    if (kind === 'foreign copy') {
      const bytes = this.#foreign.image.get(file)
      return bytes === undefined ? undefined : done('', bytes)
    }
    const older = this.#pick(this.#specimen.older).get(file)
    if (kind === 'older copy') return older === undefined ? undefined : done('', older)
    const at = Math.floor(this.#random.below(before.length) / SECTOR) * SECTOR
    const end = Math.min(before.length, at + SECTOR)
    const bytes = Buffer.from(before)
    // What the sector held before its last write: an earlier state of the file, or nothing.
    bytes.fill(0, at, end)
    if (older !== undefined) bytes.set(older.subarray(at, end), at)
    return done(`at ${at}`, bytes)
  }
}
