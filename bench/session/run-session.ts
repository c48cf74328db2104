// Runs one order in a fresh process and hands back its result. However it ends, the process is gone by then.
import { fileURLToPath } from 'node:url'
import type { ProgramEngine } from '../engines/engine.ts'
import type { SessionOrder, SessionResult } from './protocol.ts'
import { parsedLine, type RunOptions, runProgram } from './run-program.ts'

/** Rejects with an error that names engine, steps and cause: exit code, signal, timeout, no result. */
export async function runSession(
  engine: { readonly name: string } | ProgramEngine,
  order: SessionOrder,
  options: RunOptions = {},
): Promise<SessionResult> {
  options.signal?.throwIfAborted()
  const [command, args] =
    'program' in engine
      ? [(await engine.program()).command, []]
      : [process.execPath, [fileURLToPath(new URL('./session.js', import.meta.url))]]
  const steps = order.steps.map(({ workload }) => workload).join(', ')
  return runProgram(
    {
      name: `${engine.name} (${steps})`,
      command,
      args: [...args, JSON.stringify(order)],
      resultOf,
    },
    options,
  )
}

/** undefined: something else an engine printed. */
function resultOf(line: string): SessionResult | undefined {
  const found = parsedLine(line)
  return isResult(found) ? found : undefined
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
