// Options of verify(), checked.
import { SettError } from '../base/errors.ts'
import type { VerifyOptions } from '../engine/verify/report.ts'

export function verifyOptions(given: VerifyOptions): VerifyOptions {
  // Of the object itself only.
  const { onProgress, signal }: VerifyOptions = Object.assign(Object.create(null), given)
  if (onProgress !== undefined && typeof onProgress !== 'function') {
    throw invalid(
      "Option 'onProgress' of verify() must be a function taking { bytes, totalBytes }.",
    )
  }
  if (signal !== undefined && !(signal instanceof AbortSignal)) {
    throw invalid("Option 'signal' of verify() must be an AbortSignal.")
  }
  return { onProgress, signal }
}

function invalid(message: string): SettError {
  return new SettError('SETT_INVALID_OPTION', message)
}
