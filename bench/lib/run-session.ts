// Runs one session in a fresh process and hands back its JSON line.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { SessionOrder, SessionResult } from './session.ts'

const LIMIT_MS = 180_000

export async function runSession(order: SessionOrder): Promise<SessionResult> {
  const program = fileURLToPath(new URL('./session.js', import.meta.url))
  const child = spawn(process.execPath, [program, JSON.stringify(order)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  let text = ''
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
  })
  const timer = setTimeout(() => child.kill('SIGKILL'), LIMIT_MS)
  const [code, signal] = (await once(child, 'close')) as [number | null, string | null]
  clearTimeout(timer)
  if (code !== 0) throw new Error(`session ${JSON.stringify(order)} ended with ${code ?? signal}`)
  return JSON.parse(text) as SessionResult
}
