// bench: hands all its arguments to the bench, which is a program of its own, and ends as it ended.
import { spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { EXIT } from './terminal.ts'

const FORWARDED = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

export async function bench(args: readonly string[]): Promise<number> {
  const library = createRequire(import.meta.url).resolve('sett/bench')
  const program = join(dirname(library), 'main.js')
  const child = spawn(process.execPath, [program, ...args], { stdio: 'inherit' })
  // It removes its databases first, so it is waited for.
  const forward = (signal: NodeJS.Signals): void => void child.kill(signal)
  for (const signal of FORWARDED) process.on(signal, forward)
  try {
    return await new Promise((resolve, reject) => {
      child.once('error', reject)
      child.once('exit', (code) => resolve(code ?? EXIT.error))
    })
  } finally {
    for (const signal of FORWARDED) process.removeListener(signal, forward)
  }
}
