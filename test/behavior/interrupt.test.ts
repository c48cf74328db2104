// Ctrl-C as the shell sends it: a signal to the process of the built command.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, it, onTestFinished } from 'vitest'
import { open } from '../../src/index.ts'
import { builtUrl } from '../support/built.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const FILES = 4000

it('ends ingest with 130, and what was stored stays readable', async () => {
  const root = temporaryDirectory()
  const source = join(root, 'source')
  const db = join(root, 'db')
  mkdirSync(source)
  for (let i = 0; i < FILES; i++) writeFileSync(join(source, `f${i}`), `contents ${i}`)
  const main = fileURLToPath(new URL('src/adapters/cli/main.js', builtUrl))
  const child = spawn(process.execPath, [main, 'ingest', source, '--db', db, '--workers', '0'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  onTestFinished(() => void child.kill('SIGKILL'))
  const output = text(child.stdout)
  const messages = text(child.stderr)
  const exit = once(child, 'exit')
  while (!existsSync(join(db, 'CURRENT'))) await delay(2)
  child.kill('SIGINT')
  const [code] = await exit
  expect(code).toBe(130)
  expect(await messages).toMatch(/Stopping: .*\n/)
  const stored = /interrupted: ([\d,]+) files/.exec(await output)?.[1]?.replace(',', '')
  const database = await open(db, { workers: 0 })
  expect(await database.keys().all()).toHaveLength(Number(stored))
  await database.close()
})
