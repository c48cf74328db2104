// Writes as most callers make them: of what the engine takes as it is, with no options, encodings, sublevels or hooks
// to see to. They go to the engine without abstract-level's general treatment, which costs a tenth of a fill and a
// third of a put.
import type { Data, WriteOperation } from '../engine/types.ts'
import { isPlain } from './checked-data.ts'
import { ownTtl } from './write-options.ts'

/** Formats of the default encodings. */
export interface PlainFormats {
  readonly keyFormat: string
  readonly valueFormat: string
}

/** Whether an encoding of that format hands the data down as it is. */
export function isNative(data: unknown, format: string): data is Data {
  return isPlain(data) && (typeof data === 'string') === (format === 'utf8')
}

/** The operations, copied, if all of them are plain; otherwise undefined. Reads each property once: what the
 * engine gets cannot change under it. */
export function plainOperations(
  operations: unknown,
  formats: PlainFormats,
): WriteOperation[] | undefined {
  if (!Array.isArray(operations)) return undefined
  const plain: WriteOperation[] = new Array(operations.length)
  for (let i = 0; i < operations.length; i++) {
    const operation = plainOperation(operations[i], formats)
    if (operation === undefined) return undefined
    plain[i] = operation
  }
  return plain
}

interface GivenOperation {
  readonly type?: unknown
  readonly key?: unknown
  readonly value?: unknown
  readonly sublevel?: unknown
  readonly keyEncoding?: unknown
  readonly valueEncoding?: unknown
  readonly ttl?: unknown
}

function plainOperation(
  given: GivenOperation | null | undefined,
  { keyFormat, valueFormat }: PlainFormats,
): WriteOperation | undefined {
  if (given === null || given === undefined) return undefined
  const { type, key, sublevel, keyEncoding } = given
  if (sublevel !== undefined || keyEncoding !== undefined) return undefined
  if (!isNative(key, keyFormat)) return undefined
  if (type === 'del') return { type, key, ttl: undefined }
  const { value, valueEncoding } = given
  if (type !== 'put' || valueEncoding !== undefined) return undefined
  if (!isNative(value, valueFormat)) return undefined
  // Its own in any case, so that nothing shows through it.
  return { type, key, value, ttl: given.ttl === undefined ? undefined : ownTtl(given) }
}
