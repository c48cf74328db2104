// Text and bytes as short chunks of bytes, so that a long text is never held a second time. No state.
import { MIB } from '../../base/limits.ts'
import type { Data } from '../types.ts'

/** UTF-16 units encoded at a time. */
const TEXT_CHUNK = 65_536

/** The data as bytes, in order; lone surrogates become U+FFFD, as in every text that is stored. */
export function* dataChunks(data: Data): Generator<Uint8Array> {
  if (typeof data !== 'string') {
    for (let at = 0; at < data.length; at += MIB) yield data.subarray(at, at + MIB)
    return
  }
  for (let at = 0; at < data.length; ) {
    let end = Math.min(at + TEXT_CHUNK, data.length)
    // A pair stays together.
    if (end < data.length && isHighSurrogate(data.charCodeAt(end - 1))) end -= 1
    yield Buffer.from(data.slice(at, end))
    at = end
  }
}

function isHighSurrogate(unit: number): boolean {
  return unit >= 0xd800 && unit <= 0xdbff
}
