// Turns bytes of the heap into what the caller asked for: always a copy.
import { copyOut } from '../memory/copy-shared.ts'
import type { Data, DataForm } from './types.ts'

/** The class Buffers are of: `new BufferOver(memory, offset, length)` is what `Buffer.from` of these gives, and
 * `subarray`, in about half the time. Both check arguments first that are right here, which a scan feels. */
export const BufferOver: new (memory: ArrayBuffer, offset: number, length: number) => Buffer = (
  Buffer as unknown as Species
)[Symbol.species]

/** As ECMAScript has it for every typed array: what `subarray` makes its results with. */
interface Species {
  readonly [Symbol.species]: new (memory: ArrayBuffer, offset: number, length: number) => Buffer
}

/** Copies [address, address + length) of a heap into the wanted form. */
export function takeData(bytes: Buffer, address: number, length: number, form: DataForm): Data {
  if (form === 'utf8') return bytes.toString('utf8', address, address + length)
  return takeBytes(bytes, address, length, form)
}

function takeBytes(
  bytes: Buffer,
  address: number,
  length: number,
  form: 'buffer' | 'view',
): Uint8Array {
  if (form === 'view') {
    // Not by slice(), which would make another Buffer.
    const view = new Uint8Array(length)
    copyOut(bytes, address, address + length, Buffer.from(view.buffer))
    return view
  }
  // The pool behind allocUnsafe makes small copies several times cheaper than a store of their own.
  const copy = Buffer.allocUnsafe(length)
  copyOut(bytes, address, address + length, copy)
  return copy
}

/** The same for bytes that are the caller's to keep already. */
export function asForm(data: Buffer, form: DataForm): Data {
  if (form === 'utf8') return data.toString('utf8')
  if (form === 'buffer') return data
  const { buffer, byteOffset, length } = data
  // Over memory of its own it need not be copied.
  return buffer.byteLength === length
    ? new Uint8Array(buffer, byteOffset, length)
    : new Uint8Array(data)
}
