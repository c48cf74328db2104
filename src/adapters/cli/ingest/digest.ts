// SHA-256 of file contents: the proof that what comes back is what was stored.
import { createHash, type Hash } from 'node:crypto'
import { systemClock } from '../../../base/clock.ts'

/** The event loop turns after so many bytes. */
const PIECE = 2 * 1024 * 1024

export function newDigest(): Hash {
  return createHash('sha256')
}

export async function digestOf(bytes: Uint8Array): Promise<Buffer> {
  const digest = newDigest()
  for (let done = 0; done < bytes.length; done += PIECE) {
    if (done > 0) await new Promise<void>((resolve) => systemClock.nextTurn(resolve))
    digest.update(bytes.subarray(done, done + PIECE))
  }
  return digest.digest()
}
