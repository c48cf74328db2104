// Options of collectGarbage(), checked.
import { SettError } from '../base/errors.ts'

export interface CollectOptions {
  /** A segment is rewritten when more than this share of it is garbage, 0 to below 1. Default 0.1. */
  readonly ratio?: number | undefined
}

const RATIO = 0.1

export function collectRatio(given: CollectOptions | null): number {
  if (typeof given !== 'object' || Array.isArray(given)) {
    throw invalid('Options of collectGarbage() must be an object, such as { ratio: 0.5 }.')
  }
  // Of the object itself only.
  const { ratio = RATIO }: CollectOptions = Object.assign(Object.create(null), given)
  if (typeof ratio !== 'number' || !(ratio >= 0 && ratio < 1)) {
    throw invalid(
      "Option 'ratio' of collectGarbage() must be a number from 0 to below 1: the share of garbage above which a " +
        'segment is rewritten.',
    )
  }
  return ratio
}

function invalid(message: string): SettError {
  return new SettError('SETT_INVALID_OPTION', message)
}
