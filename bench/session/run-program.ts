// Runs a program in a process of its own and hands back what its last line of output says. However it ends, the process
// is gone by then.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'

export interface Program<Result> {
  /** In errors. */
  readonly name: string
  readonly command: string
  readonly args: readonly string[]
  /** undefined: the line is something else that was printed. */
  readonly resultOf: (line: string) => Result | undefined
  /** Called with every whole line as it comes. */
  readonly onLine?: (line: string) => void
}

export interface RunOptions {
  /** Aborted: the process is killed and the promise rejects with the signal's reason. */
  readonly signal?: AbortSignal
  /** Default: 10 minutes. */
  readonly timeoutMs?: number
  /** True: the process is killed as soon as its result is there. Default: it must end by itself. */
  readonly killAfter?: boolean
}

const TIMEOUT_MS = 600_000
const STDERR_KEPT = 4_096

/** Rejects with an error that has the name and the cause: exit code, signal, timeout, no result. */
export async function runProgram<Result>(
  program: Program<Result>,
  { signal, timeoutMs = TIMEOUT_MS, killAfter = false }: RunOptions,
): Promise<Result> {
  signal?.throwIfAborted()
  const child = spawn(program.command, [...program.args], { stdio: ['ignore', 'pipe', 'pipe'] })
  const output = new Output(child, program, killAfter)
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
  const result = program.resultOf(output.lastLine)
  if (result !== undefined && end === (killAfter ? 'SIGKILL' : 0)) return result
  const cause = late
    ? `not done after ${timeoutMs / 1_000} s`
    : causeOf(end, output.lastLine, result)
  const said = output.errors.trim()
  throw new Error(`${program.name}: ${cause}${said === '' ? '' : `\n${said}`}`)
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

function causeOf(end: End, line: string, result: unknown): string {
  if (end instanceof Error) return `it cannot be started: ${end.message}`
  if (end !== 0) return typeof end === 'number' ? `exit code ${end}` : `ended by ${end}`
  if (result !== undefined) return 'it ended by itself, though it was to be killed'
  return line === '' ? 'it printed nothing' : `its last line is no result: ${line.slice(0, 200)}`
}

/** What a process prints: of stdout the last line, of stderr the last 4 KB. */
class Output {
  errors = ''
  #last = ''
  #rest = ''

  constructor(child: ChildProcess, { resultOf, onLine }: Program<unknown>, killAfter: boolean) {
    child.stdout?.setEncoding('utf8').on('data', (text: string) => {
      const lines = (this.#rest + text).split('\n')
      this.#rest = lines.pop() ?? ''
      for (const line of lines) onLine?.(line)
      this.#last = lines.findLast((line) => line.trim() !== '') ?? this.#last
      if (killAfter && resultOf(this.lastLine) !== undefined) child.kill('SIGKILL')
    })
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.errors = (this.errors + text).slice(-STDERR_KEPT)
    })
  }

  get lastLine(): string {
    return this.#rest.trim() === '' ? this.#last : this.#rest
  }
}

/** undefined: not JSON. */
export function parsedLine(line: string): unknown {
  try {
    return JSON.parse(line)
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
