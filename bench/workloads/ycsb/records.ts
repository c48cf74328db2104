// The records of a YCSB store: keys, stamped values, and what every read may find. A record's values carry its number
// and a version, so a lost, stale, torn or foreign value is noticed whatever order the clients' calls end in.
import type { Dataset } from '../../data/dataset.ts'
import { words } from '../../data/random.ts'
import type { Pair } from '../../engines/engine.ts'
import { SCAN_LENGTH_MAX } from './mixes.ts'

/** `user` and twenty digits. */
export const KEY_BYTES = 24
/** Ten fields of 100 bytes as one value. */
export const VALUE_BYTES = 1000
const STAMP_BYTES = 8
const VERSION_BYTES = 4
const FULL_CHECK_EVERY = 16
const DIGITS = 10

function word(bytes: Uint8Array, at: number): number {
  return (
    (bytes[at]! | (bytes[at + 1]! << 8) | (bytes[at + 2]! << 16) | (bytes[at + 3]! << 24)) >>> 0
  )
}

function grown(array: Uint32Array): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(array.length * 2)
  larger.set(array)
  return larger
}

export class YcsbRecords {
  readonly #dataset: Dataset
  #count = 0
  #acknowledged = 0
  #keys: Buffer
  /** By record. Versions start at 1; 0: none yet. */
  #issued: Uint32Array
  /** The oldest version a read may find. */
  #floor: Uint32Array
  /** Writes not acknowledged yet, and the first version of those that overlap them. */
  #pending: Uint32Array
  #burst: Uint32Array
  #lastFullScan = 0

  /** The dataset tells how many records to load and gives the values' bytes. */
  constructor(dataset: Dataset) {
    this.#dataset = dataset
    const capacity = Math.max(1, dataset.count)
    this.#keys = Buffer.allocUnsafeSlow(capacity * KEY_BYTES)
    this.#issued = new Uint32Array(capacity)
    this.#floor = new Uint32Array(capacity)
    this.#pending = new Uint32Array(capacity)
    this.#burst = new Uint32Array(capacity)
  }

  /** Records 0 … acknowledged − 1 are all in the store. */
  get acknowledged(): number {
    return this.#acknowledged
  }

  /** A view; the bytes never change. */
  key(record: number): Buffer {
    return this.#keys.subarray(record * KEY_BYTES, (record + 1) * KEY_BYTES)
  }

  /** A new record's number, for `write`. Keys have no order: digits of a bijection of the number. */
  append(): number {
    const record = this.#count++
    if (record === this.#issued.length) this.#grow()
    const next = words(record)
    const digits = () => String(next()).padStart(DIGITS, '0')
    this.#keys.write(`user${digits()}${digits()}`, record * KEY_BYTES, 'latin1')
    return record
  }

  #grow(): void {
    this.#keys = Buffer.concat([this.#keys, Buffer.allocUnsafeSlow(this.#keys.length)])
    this.#issued = grown(this.#issued)
    this.#floor = grown(this.#floor)
    this.#pending = grown(this.#pending)
    this.#burst = grown(this.#burst)
  }

  /** The record's next value, to be put at once; `acknowledge` follows when the store has it. */
  write(record: number): Buffer {
    const version = ++this.#issued[record]!
    if (this.#pending[record]!++ === 0) this.#burst[record] = version
    const value = Buffer.allocUnsafe(this.#dataset.spec.valueBytes)
    this.#dataset.value(record, version).copy(value)
    value.writeUInt32LE(record, 0)
    value.writeUInt32LE(version, STAMP_BYTES - VERSION_BYTES)
    value.writeUInt32LE(version, value.length - VERSION_BYTES)
    return value
  }

  /** Writes of one record that overlap may win in any order, but what was there before them is gone now. */
  acknowledge(record: number): void {
    this.#pending[record]!--
    this.#floor[record] = this.#burst[record]!
    while (this.#acknowledged < this.#count && this.#floor[this.#acknowledged]! > 0) {
      this.#acknowledged++
    }
  }

  /** The oldest version that a read beginning now may find. */
  floor(record: number): number {
    return this.#floor[record]!
  }

  /** Throws unless `found` is a whole value of the record, no older than `floor`. */
  check(record: number, found: Uint8Array | undefined, floor: number): void {
    if (found === undefined) throw new Error(`record ${record} is missing`)
    const { valueBytes } = this.#dataset.spec
    if (found.length !== valueBytes) {
      throw new Error(`record ${record}: ${found.length} bytes instead of ${valueBytes}`)
    }
    const stamped = word(found, 0)
    if (stamped !== record) throw new Error(`record ${record}: the value of record ${stamped}`)
    const version = word(found, STAMP_BYTES - VERSION_BYTES)
    const newest = this.#issued[record]!
    if (version < floor || version > newest) {
      throw new Error(`record ${record}: version ${version} where ${floor} to ${newest} may be`)
    }
    const end = valueBytes - VERSION_BYTES
    const whole =
      word(found, end) === version &&
      (record % FULL_CHECK_EVERY !== 0 ||
        this.#dataset
          .value(record, version)
          .subarray(STAMP_BYTES, end)
          .equals(found.subarray(STAMP_BYTES, end)))
    if (!whole) throw new Error(`record ${record}: a torn value of version ${version}`)
  }

  /** To be called once before scans: remembers from which keys on a scan may end early. */
  prepareScans(): void {
    const order = Uint32Array.from({ length: this.#acknowledged }, (_, record) => words(record)())
    order.sort()
    this.#lastFullScan = order[order.length - SCAN_LENGTH_MAX] ?? -1
  }

  /** Throws unless `pairs` are `length` records in key order, the first of them `record`. */
  checkScan(record: number, length: number, pairs: readonly Pair[]): void {
    const mustBeFull = words(record)() <= this.#lastFullScan
    if (pairs.length > length || pairs.length < (mustBeFull ? length : 1)) {
      throw new Error(`a scan of ${length} records found ${pairs.length}`)
    }
    if (Buffer.compare(pairs[0]![0], this.key(record)) !== 0) {
      throw new Error(`a scan from record ${record} begins at another`)
    }
    for (let at = 1; at < pairs.length; at++) {
      if (Buffer.compare(pairs[at - 1]![0], pairs[at]![0]) >= 0) {
        throw new Error(`a scan from record ${record} is out of order at ${at}`)
      }
    }
    for (const [key, value] of pairs) this.#checkStamp(key, value)
  }

  #checkStamp(key: Uint8Array, value: Uint8Array): void {
    const record = value.length < STAMP_BYTES ? this.#count : word(value, 0)
    if (record >= this.#count || Buffer.compare(key, this.key(record)) !== 0) {
      throw new Error('a scan found a value under a key that is not its own')
    }
    this.check(record, value, 1)
  }
}
