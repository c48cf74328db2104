// A session's process however it ends: result, exit code, noise, hanging, killed on purpose.
import { chmodSync, existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { describe, expect, it } from 'vitest'
import type { ProgramEngine } from '../../../../bench/engines/engine.ts'
import type { SessionOrder, SessionResult } from '../../../../bench/session/protocol.ts'
import type { RunOptions } from '../../../../bench/session/run-program.ts'
import { runSession } from '../../../../bench/session/run-session.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'

const ORDER: SessionOrder = {
  engine: 'program',
  location: '/nowhere',
  dataset: { count: 1, keys: 'random', keyBytes: 16, valueBytes: 100, seed: 1 },
  durability: 'os',
  memtableBytes: null,
  workers: null,
  steps: [{ workload: 'fillseq', operations: null, seconds: null }],
}
const RESULT = `console.log(JSON.stringify({
  engine: JSON.parse(process.argv[2]).engine, version: '1', cells: [], skipped: [], peakMiB: 1, cpuSeconds: 1,
}))`
const ALIVE = 'setInterval(() => {}, 1000)'

function program(source: string, options?: RunOptions): Promise<SessionResult> {
  const command = join(temporaryDirectory(), 'program.cjs')
  writeFileSync(command, `#!${process.execPath}\n${source}\n`)
  chmodSync(command, 0o755)
  const engine: ProgramEngine = {
    name: 'program',
    kind: 'peer',
    durability: { os: 'none' },
    persistent: true,
    answers: true,
    program: async () => ({ command, version: '1' }),
  }
  return runSession(engine, ORDER, options)
}

describe('runSession', () => {
  it('hands over the order and takes the last line, whatever came before it', async () => {
    const result = await program(`console.log('{ noise')\nconsole.error('words')\n${RESULT}`)
    expect(result.engine).toBe('program')
    expect(result.cells).toEqual([])
  })

  it('names engine, steps and the end of stderr when the process fails', async () => {
    const failing = `console.error('x'.repeat(9000) + ' no space')\n${RESULT}\nprocess.exitCode = 3`
    const failure: Error = await program(failing).then(
      () => expect.unreachable(),
      (error: Error) => error,
    )
    expect(failure.message).toMatch(/^program \(fillseq\): exit code 3\nx+ no space$/)
    expect(failure.message.length).toBeLessThan(4_300)
    await expect(program('process.kill(process.pid, "SIGTERM")')).rejects.toThrow(
      /ended by SIGTERM/,
    )
  })

  it('refuses an end without a result', async () => {
    await expect(program('')).rejects.toThrow(/printed nothing/)
    await expect(program(`console.log('{"cells": 1}')`)).rejects.toThrow(/no result: {"cells": 1}/)
  })

  it('ends a process that takes too long', async () => {
    const hanging = program(`${RESULT}\n${ALIVE}`, { timeoutMs: 300 })
    await expect(hanging).rejects.toThrow('not done after 0.3 s')
  })

  it('kills on purpose once the result is there, and only takes that for the end', async () => {
    const killed = await program(`${RESULT}\n${ALIVE}`, { killAfter: true })
    expect(killed.version).toBe('1')
    await expect(program('process.exit(0)', { killAfter: true })).rejects.toThrow(/printed nothing/)
  })

  it('ends with the abort, the process before it', async () => {
    const mark = join(temporaryDirectory(), 'begun')
    const source = `require('fs').writeFileSync('${mark}', String(process.pid))\n${ALIVE}`
    const abort = new AbortController()
    const running = program(source, { signal: abort.signal })
    const rejected = expect(running).rejects.toThrow('stopped by hand')
    while (!existsSync(mark) || readFileSync(mark, 'utf8') === '') await setTimeout(10)
    abort.abort(new Error('stopped by hand'))
    await rejected
    expect(() => process.kill(Number(readFileSync(mark, 'utf8')), 0)).toThrow('ESRCH')
  })

  it('says so when the program is not there', async () => {
    const engine = { name: 'gone', program: async () => ({ command: '/nowhere/x', version: '' }) }
    const base = { kind: 'peer', durability: {}, persistent: true, answers: true } as const
    const running = runSession({ ...base, ...engine }, ORDER)
    await expect(running).rejects.toThrow(/gone \(fillseq\): it cannot be started: .*ENOENT/)
  })
})
