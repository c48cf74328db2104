// The last look at keys and values before the engine, which trusts their lengths: encodings are the caller's code
// and may hand down anything. Text and plain byte arrays pass as they are.
import { SettError } from '../base/errors.ts'
import type { Data, WriteOperation } from '../engine/types.ts'
import { ownTtl } from './write-options.ts'

export type DataRole = 'key' | 'value'

/** The data as text or a plain byte array; throws LEVEL_INVALID_KEY or LEVEL_INVALID_VALUE. */
export function checkedData(data: unknown, role: DataRole): Data {
  return isPlain(data) ? data : plainBytes(data, role)
}

export function checkedKey(key: Data): Data {
  return isPlain(key) ? key : plainBytes(key, 'key')
}

/** The same array when nothing had to be converted, as is usual. */
export function checkedOperations(
  operations: readonly WriteOperation[],
): readonly WriteOperation[] {
  return operations.every(isPlainOperation) ? operations : operations.map(checkedOperation)
}

/** Held here, for Node makes `Buffer` a getter of the global object. */
const BUFFER: unknown = Buffer.prototype
const BYTES: unknown = Uint8Array.prototype

/** What a byte array's length is, whatever a property of its own says. */
const lengthOf = Object.getOwnPropertyDescriptor(
  Object.getPrototypeOf(Uint8Array.prototype),
  'length',
)!.get as (this: unknown) => number

/** Text, or a byte array of the usual kinds with something in it. */
export function isPlain(data: unknown): data is Data {
  if (typeof data === 'string') return true
  if (!ArrayBuffer.isView(data)) return false
  // Before its length: that of another class may be code.
  const prototype: unknown = Object.getPrototypeOf(data)
  if (prototype !== BUFFER && prototype !== BYTES) return false
  const { length } = data as Uint8Array
  // A length of 0 may be that of bytes which were taken away, so it gets the longer look.
  return length > 0 && lengthOf.call(data) === length
}

/** A delete with a value, say an operation made from a put, is not: nobody measured what would be stored with it. */
function isPlainOperation({ type, key, value, ttl }: WriteOperation): boolean {
  if (!isPlain(key) || ttl !== undefined) return false
  return type === 'del' ? value === undefined : isPlain(value)
}

function checkedOperation(operation: WriteOperation): WriteOperation {
  const { type, value } = operation
  const key = checkedData(operation.key, 'key')
  if (type === 'del') return { type, key, ttl: undefined }
  // Its own in any case, so that nothing shows through it.
  return { type, key, value: checkedData(value, 'value'), ttl: ownTtl(operation) }
}

/** Other views become byte arrays over the same memory; a class of its own may lie about its length. */
function plainBytes(data: unknown, role: DataRole): Uint8Array {
  if (!ArrayBuffer.isView(data)) throw refusal(role, 'is neither text nor bytes')
  try {
    const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength)
    // Throws for a view beyond the end of its resized buffer, which claims to be empty.
    if (data instanceof Uint8Array) Uint8Array.prototype.includes.call(data, 0)
    return bytes
  } catch (error) {
    throw refusal(
      role,
      'lies outside of its buffer, which may have been transferred or resized',
      error,
    )
  }
}

function refusal(role: DataRole, what: string, cause?: unknown): SettError {
  return new SettError(
    role === 'key' ? 'LEVEL_INVALID_KEY' : 'LEVEL_INVALID_VALUE',
    `The encoded ${role} ${what}. Give a string or a Uint8Array of its own, or check ${role}Encoding.`,
    cause,
  )
}
