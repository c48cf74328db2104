// Programs run to their end: git, npm, the compiler. One that fails is an error with what it said.
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'

export interface ProgramPlace {
  readonly cwd: string
  /** Added to the environment. */
  readonly env?: { readonly [name: string]: string }
  readonly signal: AbortSignal
}

const OUTPUT_BYTES_MAX = 64 * 2 ** 20
const SAID_KEPT = 2_000

/** Its standard output. */
export async function runProgram(
  command: string,
  args: readonly string[],
  { cwd, env, signal }: ProgramPlace,
): Promise<string> {
  const options = { cwd, signal, env: { ...process.env, ...env }, maxBuffer: OUTPUT_BYTES_MAX }
  try {
    return (await promisify(execFile)(command, [...args], options)).stdout
  } catch (cause) {
    signal.throwIfAborted()
    throw new Error(`${command} ${args.join(' ')} failed in ${cwd}:\n${saidBy(cause)}`, { cause })
  }
}

/** The compiler reports on stdout, others on stderr. */
function saidBy(failure: unknown): string {
  if (!(failure instanceof Error)) return String(failure)
  const said = [
    'stdout' in failure ? failure.stdout : '',
    'stderr' in failure ? failure.stderr : '',
  ].filter((text) => typeof text === 'string' && text !== '')
  return said.length === 0 ? failure.message : said.join('\n').trim().slice(-SAID_KEPT)
}
