// What commits consist of: checked, measured, copied. No state.
import { SettError } from '../../base/errors.ts'
import { KEY_LENGTH_MAX, VALUE_LENGTH_MAX } from '../../base/limits.ts'
import { KIND_DELETE, KIND_POINTER, KIND_PUT } from '../../kernel/layout.ts'
import { dataLength, EXPIRY_BYTES, recordBytes } from '../../memtable/memtable.ts'
import type { Data, WriteOperation } from '../types.ts'

/** An operation as it is encoded; a pointer's value is its 24 bytes. */
export interface CommitOperation {
  readonly type: WriteOperation['type'] | 'pointer'
  readonly key: Data
  readonly value?: Data
}

/** By operation: ms since 1970, 0: never. undefined: none expires. */
export type Expiries = readonly number[] | undefined

export const KIND_OF: Readonly<Record<CommitOperation['type'], number>> = {
  put: KIND_PUT,
  del: KIND_DELETE,
  pointer: KIND_POINTER,
}

/** What one look at the operations of a batch tells. */
export interface BatchLook {
  /** Their records take no more, beside what expiries add. */
  readonly bytes: number
  /** There are puts among them. */
  readonly puts: boolean
  /** Some value is longer than what is held in memory. */
  readonly large: boolean
  /** Of no use but that of having been read. */
  readonly firstBytes: number
}

/** One pass over a batch before anything is done with it; throws SETT_TOO_LARGE. It reads a byte of each key and value:
 * those that are in no cache then come many at a time, instead of one by one when they are copied. */
export function lookAtBatch(
  operations: readonly CommitOperation[],
  heldValueBytes: number,
): BatchLook {
  let bytes = 0
  let puts = false
  let large = false
  let firstBytes = 0
  for (const operation of operations) {
    const { type, key, value } = operation
    checkKey(key)
    firstBytes ^= firstByte(key)
    if (type !== 'put') {
      bytes += recordBytes(lengthBound(key), 0)
      continue
    }
    checkValue(value!)
    firstBytes ^= firstByte(value!)
    bytes += recordBytes(lengthBound(key), lengthBound(value!))
    puts = true
    large ||= holdsLarge(operation, heldValueBytes)
  }
  return { bytes, puts, large, firstBytes }
}

function firstByte(data: Data): number {
  return typeof data === 'string' ? 0 : (data[0] ?? 0)
}

/** Whether it is a put of a value longer than `limit`. */
export function holdsLarge({ type, value }: CommitOperation, limit: number): boolean {
  if (type !== 'put' || value === undefined || lengthBound(value) <= limit) return false
  return dataLength(value) > limit
}

/** No more bytes than this once encoded; cheap. */
export function lengthBound(data: Data): number {
  return typeof data === 'string' ? data.length * 3 : data.length
}

export function checkKey(key: Data): void {
  if (lengthBound(key) <= KEY_LENGTH_MAX) return
  const length = dataLength(key)
  if (length > KEY_LENGTH_MAX) {
    throw new SettError(
      'SETT_TOO_LARGE',
      `A key of ${length} bytes is too long: at most ${KEY_LENGTH_MAX} fit. Hash or shorten it.`,
    )
  }
}

export function checkValue(value: Data): void {
  if (lengthBound(value) > VALUE_LENGTH_MAX) checkValueLength(dataLength(value))
}

export function checkValueLength(length: number): void {
  if (length <= VALUE_LENGTH_MAX) return
  throw new SettError(
    'SETT_TOO_LARGE',
    `A value of ${length} bytes is too long: at most ${VALUE_LENGTH_MAX} fit. Store it in parts.`,
  )
}

export function tooManyWaiting(bytes: number): SettError {
  return new SettError(
    'SETT_BUSY',
    `${bytes} bytes of commits wait for room in memory already, and memoryBudget allows no more: this one was not ` +
      'stored. Await earlier writes before the next, or raise memoryBudget.',
  )
}

/** `bytes`: of the whole commit, without the values that lie in segments. */
export function checkCommitBytes(bytes: number, most: number): void {
  if (bytes <= most) return
  throw new SettError(
    'SETT_TOO_LARGE',
    `The commit takes ${bytes} bytes; at most memoryBudget / 4 = ${most} fit. ` +
      'Split it, or raise memoryBudget.',
  )
}

/** `most`: what may be held in memory for one value. */
export function checkHeldValue(bytes: number, most: number): void {
  if (bytes <= most) return
  throw new SettError(
    'SETT_TOO_LARGE',
    `A value of ${bytes} bytes is too long to be held in memory: at most memoryBudget / 4 = ${most} fit. ` +
      'Store it with putStream, or raise memoryBudget.',
  )
}

/** `bytes`: of all large values of a commit; `most`: what may be copied for all commits that wait. */
export function checkHeldCommit(bytes: number, most: number): void {
  if (bytes <= most) return
  throw new SettError(
    'SETT_TOO_LARGE',
    `The large values of the commit take ${bytes} bytes; memoryBudget leaves room for ${most}. Split it, store large ` +
      'values with putStream, or raise memoryBudget.',
  )
}

export function isPut({ type }: CommitOperation): boolean {
  return type === 'put'
}

function addRecordBytes(sum: number, { key, value }: CommitOperation): number {
  return sum + recordBytes(dataLength(key), value === undefined ? 0 : dataLength(value))
}

/** Bytes that copying them takes: text is not copied. */
export function copiedBytes(operations: readonly CommitOperation[]): number {
  return operations.reduce(addCopiedBytes, 0)
}

function addCopiedBytes(sum: number, { key, value }: CommitOperation): number {
  return sum + copyBytes(key) + (value === undefined ? 0 : copyBytes(value))
}

function copyBytes(data: Data): number {
  return typeof data === 'string' ? 0 : data.length
}

export function copyOperation({ type, key, value }: CommitOperation): CommitOperation {
  const copy = { type, key: copyData(key) }
  return value === undefined ? copy : { ...copy, value: copyData(value) }
}

export function copyData(data: Data): Data {
  return typeof data === 'string' ? data : Uint8Array.prototype.slice.call(data)
}

/** Bytes the records take. */
export function commitBytes(operations: readonly CommitOperation[], expiries: Expiries): number {
  const expiring = expiries?.filter((at) => at > 0).length ?? 0
  return operations.reduce(addRecordBytes, 0) + EXPIRY_BYTES * expiring
}

/** Bytes the record of a put takes. */
export function putBytes(key: Data, value: Data, expiresAt: number): number {
  const plain = recordBytes(dataLength(key), dataLength(value))
  return expiresAt === 0 ? plain : plain + EXPIRY_BYTES
}
