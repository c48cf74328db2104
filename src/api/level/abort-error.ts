// What a read fails with when its signal is aborted.
import { SettError } from '../../base/errors.ts'

export class AbortError extends SettError {
  constructor(cause: unknown) {
    super('LEVEL_ABORTED', 'The read was aborted by its signal.', cause)
  }
}
