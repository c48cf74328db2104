// The options of a commit that was given none.
import type { WriteOptions } from '../types.ts'

/** Has all of them of its own, so that nothing shows through. Without a prototype it would be a dictionary, in which to
 * look three times costs more than all other checks of a put. */
export const NO_OPTIONS: WriteOptions = Object.freeze({
  durability: undefined,
  onCommit: undefined,
  ttl: undefined,
})
