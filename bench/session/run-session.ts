// Runs one order in a fresh process and hands back its result. However it ends, the process is gone by then.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { ProgramEngine } from '../engines/engine.ts'
import type { SessionOrder, SessionResult } from './protocol.ts'

export interface RunSessionOptions {
  /** Aborted: the process is killed and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Default: 10 minutes. */
  readonly timeoutMs?: number
  /** True: the process is killed as soon as its result is there (a step `unclean`). Default: it must end by itself. */
  readonly killAfter?: boolean
}

const TIMEOUT_MS = 600_000
const STDERR_KEPT = 4_096

/** Rejects with an error that names engine, steps and cause: exit code, signal, timeout, no result. */
export async function runSession(
  engine: { readonly name: string } | ProgramEngine,
  order: SessionOrder,
  options: RunSessionOptions = {},
): Promise<SessionResult> {
  const { signal, timeoutMs = TIMEOUT_MS, killAfter = false } = options
  signal?.throwIfAborted()
  const [command, args] =
    'program' in engine
      ? [(await engine.program()).command, []]
      : [process.execPath, [fileURLToPath(new URL('./session.js', import.meta.url))]]
  signal?.throwIfAborted()
  const child = spawn(command, [...args, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const output = new Output(child, killAfter)
  const ended = endOf(child)
  const kill = (): boolean => child.kill('SIGKILL')
  let late = false
  const timer = setTimeout(() => {
    late = true
    kill()
  }, timeoutMs)
  signal?.addEventListener('abort', kill)
  const end = await ended
  clearTimeout(timer)
  signal?.removeEventListener('abort', kill)
  signal?.throwIfAborted()
  const result = parseResult(output.lastLine)
  if (result !== undefined && end === (killAfter ? 'SIGKILL' : 0)) return result
  const cause = late ? `not done after ${timeoutMs / 1_000} s` : causeOf(end, output.lastLine)
  const steps = order.steps.map(({ workload }) => workload).join(', ')
  const said = output.errors.trim()
  throw new Error(`${engine.name} (${steps}): ${cause}${said === '' ? '' : `\n${said}`}`)
}

/** The exit code, a signal's name, or why the process did not start. */
type End = number | NodeJS.Signals | Error

async function endOf(child: ChildProcess): Promise<End> {
  try {
    const [code, signal]: (number | NodeJS.Signals | null)[] = await once(child, 'close')
    return code ?? signal ?? 0
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

function causeOf(end: End, line: string): string {
  if (end instanceof Error) return `it cannot be started: ${end.message}`
  if (end !== 0) return typeof end === 'number' ? `exit code ${end}` : `ended by ${end}`
  if (parseResult(line) !== undefined) return 'it ended by itself, though it was to be killed'
  return line === '' ? 'it printed nothing' : `its last line is no result: ${line.slice(0, 200)}`
}

/** What a process prints: of stdout the last line, of stderr the last 4 KB. */
class Output {
  errors = ''
  #last = ''
  #rest = ''

  constructor(child: ChildProcess, killAfter: boolean) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      this.#last = lines.findLast((line) => line.trim() !== '') ?? this.#last
      if (killAfter && parseResult(this.lastLine) !== undefined) child.kill('SIGKILL')
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-STDERR_KEPT)
    })
  }

  get lastLine(): string {
    return this.#rest.trim() === '' ? this.#last : this.#rest
  }
}

/** undefined: something else an engine printed. */
function parseResult(line: string): SessionResult | undefined {
  try {
    const found: unknown = JSON.parse(line)
    return isResult(found) ? found : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}

function isResult(found: unknown): found is SessionResult {
  return (
    typeof found === 'object' &&
    found !== null &&
    'cells' in found &&
    Array.isArray(found.cells) &&
    'skipped' in found &&
    Array.isArray(found.skipped)
  )
}
