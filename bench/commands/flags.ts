// What the flags of all commands have in common: lists of known names, counts, sizes, durations.
import { InvalidArgumentError } from 'commander'
import { UsageError } from './errors.ts'

/** `given`, each known and once; throws a UsageError that lists the known ones. */
export function knownNames<Name extends string>(
  given: readonly string[],
  what: string,
  known: readonly Name[],
): readonly Name[] {
  const names = new Set<Name>()
  for (const text of given) {
    const found = known.find((name) => name === text)
    if (found === undefined) {
      throw new UsageError(`no ${what} is called '${text}'; known: ${known.join(', ')}`)
    }
    names.add(found)
  }
  return [...names]
}

/** `a, b` → a and b. */
export function commaList(text: string): readonly string[] {
  return text.split(',').map((part) => part.trim())
}

export function wholeNumber(text: string): number {
  const value = Number(text)
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(value) || value < 1) {
    throw new InvalidArgumentError('It must be a whole number from 1.')
  }
  return value
}

export function wholeNumbers(text: string): readonly number[] {
  return [...new Set(commaList(text).map(wholeNumber))]
}

/** A parser of a length of time in `unit`. */
export function duration(unit: 'seconds' | 'minutes'): (text: string) => number {
  return (text) => {
    const value = Number(text)
    if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
      throw new InvalidArgumentError(`It must be a number of ${unit} above 0.`)
    }
    return value
  }
}

export const seconds: (text: string) => number = duration('seconds')

const UNITS: { readonly [unit: string]: number } = {
  '': 1,
  kib: 2 ** 10,
  mib: 2 ** 20,
  gib: 2 ** 30,
}

/** `8MiB` in bytes; undefined where it is no size. */
function bytesOf(text: string): number | undefined {
  const [, digits, unit] = /^(\d+(?:\.\d+)?)\s*([a-z]*)$/i.exec(text) ?? []
  const factor = UNITS[(unit ?? '').toLowerCase()]
  const bytes = Number(digits) * (factor ?? Number.NaN)
  return Number.isSafeInteger(bytes) && bytes >= 1 ? bytes : undefined
}

export type SizeOrDefault = number | 'default'

/** `8MiB` in bytes. Never null, which commander takes for an empty text. */
export function sizeOrDefault(text: string): SizeOrDefault {
  if (text === 'default') return text
  const bytes = bytesOf(text)
  if (bytes !== undefined) return bytes
  throw new InvalidArgumentError("It must be a size such as 8MiB, or 'default'.")
}

/** null: the default. */
export function bytesOrNull(size: SizeOrDefault): number | null {
  return size === 'default' ? null : size
}

/** `8MiB` in bytes. */
export function size(text: string): number {
  const bytes = bytesOf(text)
  if (bytes !== undefined) return bytes
  throw new InvalidArgumentError('It must be a size such as 8MiB.')
}

/** `100, 16KiB` in bytes, each once. */
export function sizes(text: string): readonly number[] {
  return [...new Set(commaList(text).map(size))]
}

/** An unset shell variable must not become the current directory. */
export function path(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must be a path.')
  return text
}
