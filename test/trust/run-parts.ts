// Runs parts as processes of their own, some at a time, and tells how each ended. What a part prints is printed, with
// its name before each line. A part that is still running when the time is up is ended, and has failed.
import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Part } from './parts.ts'

export interface Outcome {
  readonly part: Part
  readonly passed: boolean
  readonly seconds: number
  /** The last line it printed, or why it failed. */
  readonly last: string
}

export interface Runs {
  /** By name, as package.json has them. */
  readonly scripts: Readonly<Record<string, string>>
  /** Parts at a time. */
  readonly jobs: number
  /** Infinity: as long as it takes. */
  readonly limitMs: number
  readonly log: (line: string) => void
  /** Each part as it ends. */
  readonly ended?: (outcome: Outcome) => void
}

/** What a script does after it has built, since the build is done once: an executable and its arguments. */
export function commandOf(script: string | undefined): readonly string[] | undefined {
  const last = script?.split('&&').at(-1)?.trim().split(/\s+/)
  return last?.[0] === 'node' ? [process.execPath, ...last.slice(1)] : undefined
}

export async function runParts(parts: readonly Part[], runs: Runs): Promise<readonly Outcome[]> {
  const until = performance.now() + runs.limitMs
  const outcomes: Outcome[] = []
  const waiting = [...parts.entries()]
  const work = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) {
      const [place, part] = next
      const outcome = await runPart(part, runs, until)
      outcomes[place] = outcome
      runs.ended?.(outcome)
    }
  }
  await Promise.all(Array.from({ length: runs.jobs }, work))
  return outcomes
}

/** One line per part, and how many passed. */
export function summaryOf(outcomes: readonly Outcome[]): string {
  const rows = outcomes.map(({ part, passed, seconds, last }) => {
    const name = [part.script, ...part.args].join(' ')
    return [passed ? 'passed' : 'FAILED', `${Math.round(seconds)} s`, name, last]
  })
  const widths = [0, 1, 2].map((column) => Math.max(0, ...rows.map((row) => row[column]!.length)))
  const lines = rows.map((row) =>
    row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '),
  )
  const failed = outcomes.filter(({ passed }) => !passed).length
  return [...lines, `${outcomes.length - failed} parts passed, ${failed} failures`].join('\n')
}

async function runPart(part: Part, runs: Runs, until: number): Promise<Outcome> {
  const began = performance.now()
  const end = (passed: boolean, last: string): Outcome => {
    return { part, passed, seconds: (performance.now() - began) / 1000, last }
  }
  const command = commandOf(runs.scripts[part.script])
  if (command === undefined) return end(false, `package.json has no script ${part.script}`)
  if (began >= until) return end(false, 'the time was up before it began')
  const [program, ...args] = [...command, ...part.args]
  runs.log(`${part.script}: ${args.join(' ')}`)
  const child = spawn(program!, args, { stdio: ['ignore', 'pipe', 'pipe'] })
  let last = ''
  const print = (line: string): void => {
    if (line.trim() !== '') last = line
    runs.log(`${part.script}: ${line}`)
  }
  for (const stream of [child.stdout, child.stderr]) createInterface(stream).on('line', print)
  let late = false
  const timer = timeout(until - began, () => {
    late = true
    child.kill('SIGKILL')
  })
  const code = await exitOf(child)
  clearTimeout(timer)
  if (late) return end(false, `the time was up; the last line was: ${last}`)
  return end(code === 0, code === 0 || last !== '' ? last : `it ended with ${code}`)
}

function timeout(ms: number, run: () => void): NodeJS.Timeout | undefined {
  return Number.isFinite(ms) ? setTimeout(run, ms) : undefined
}

/** Exit code or signal, once all output was read. */
function exitOf(child: ChildProcess): Promise<number | string> {
  return new Promise((resolve) => {
    child.on('error', (error) => resolve(error.message))
    child.on('close', (code, signal) => resolve(code ?? signal ?? 'no code'))
  })
}
