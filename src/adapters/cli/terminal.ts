// Where the command line writes: results to stdout, progress and errors to stderr. Colours and redrawn lines
// only on a terminal.
import { SettError } from '../../base/errors.ts'

export interface Terminal {
  readonly stdout: NodeJS.WritableStream & { readonly isTTY?: boolean }
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean }
}

/** How a run ended. */
export const EXIT = { ok: 0, error: 1, usage: 2, skipped: 3, interrupted: 130 } as const

export function line(stream: NodeJS.WritableStream, text: string): void {
  stream.write(`${text}\n`)
}

/** Resolves once the stream has taken the bytes in. */
export function write(stream: NodeJS.WritableStream, data: string | Uint8Array): Promise<void> {
  return new Promise((resolve, reject) => {
    stream.write(data, (error) => (error ? reject(error) : resolve()))
  })
}

/** A mistake in how the command was called. */
export class UsageError extends SettError {
  constructor(message: string) {
    super('SETT_INVALID_OPTION', message)
  }
}

/** The error that tells most: why opening failed, rather than that it did. */
export function rootError(error: unknown): { readonly code: string; readonly message: string } {
  if (!(error instanceof Error)) return { code: 'SETT_INTERNAL', message: String(error) }
  const code = codeOf(error) ?? 'SETT_INTERNAL'
  if (code === 'LEVEL_DATABASE_NOT_OPEN' && error.cause instanceof Error) {
    return rootError(error.cause)
  }
  const message = error.message.startsWith(`${code}: `)
    ? error.message.slice(code.length + 2)
    : error.message
  return { code, message }
}

export function codeOf(error: unknown): string | undefined {
  if (error instanceof Error && 'code' in error && typeof error.code === 'string') return error.code
  return undefined
}
