// What the fuzzer runs: decoders that are fed structures with fields nobody would write and checksums that are right.

import type { Prng } from '../../model/prng.ts'

export interface Decoder {
  readonly name: string
  /** Weight among all executions. */
  readonly share: number
  /** One execution. Returns whether it took what it was given; may throw CorruptionError instead. Anything else that it
   * throws is a failure. */
  run(random: Prng): boolean
}

/** A decoder gave an answer that it must not give. */
export class FuzzFailure extends Error {}

export function demand(condition: unknown, what: string): asserts condition {
  if (!condition) throw new FuzzFailure(what)
}
