// How a command fails, and how Ctrl-C ends it: work is aborted and cleans up; only then the process ends.

/** A mistake in how a command was called; the command ends with 2. */
export class UsageError extends Error {}

/** Thrown by work that a signal ended; the command ends with 130. */
export class Interrupted extends Error {
  constructor(signal: NodeJS.Signals) {
    super(`interrupted by ${signal}`)
  }
}

const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

/** Runs `work` with a signal that aborts on Ctrl-C; repeating it changes nothing. Throws `Interrupted` then. */
export async function interruptible<T>(work: (aborted: AbortSignal) => Promise<T>): Promise<T> {
  const controller = new AbortController()
  const onSignal = (signal: NodeJS.Signals): void => controller.abort(new Interrupted(signal))
  for (const signal of SIGNALS) process.on(signal, onSignal)
  try {
    return await work(controller.signal)
  } finally {
    for (const signal of SIGNALS) process.removeListener(signal, onSignal)
  }
}

export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
