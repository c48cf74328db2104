// System calls that are interrupted, fall short, or complain on closing, as only the system itself can make them: the
// functions of node:fs are replaced for a while.
import * as nodeFs from 'node:fs'
import { createRequire, syncBuiltinESMExports } from 'node:module'
import { join } from 'node:path'
import { afterEach, describe, expect, it } from 'vitest'
import { nodeFileSystem as fs } from '../../../src/io/node-file-system.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const builtin: Record<string, unknown> = createRequire(import.meta.url)('node:fs')
const originals = { ...nodeFs } as Record<string, unknown>

function replace(name: string, replacement: unknown): void {
  builtin[name] = replacement
  syncBuiltinESMExports()
}

afterEach(() => {
  for (const name of ['readSync', 'writeSync', 'read', 'write', 'closeSync']) {
    replace(name, originals[name])
  }
})

function systemError(code: string): Error {
  return Object.assign(new Error(`${code}: injected`), { code })
}

type Call = (...args: unknown[]) => unknown

/** Fails in turn with EINTR and EAGAIN, and then does a few bytes only. */
function reluctant(original: Call): Call {
  let calls = 0
  return (descriptor, buffer, offset, length, position) => {
    calls += 1
    if (calls % 3 !== 0) throw systemError(calls % 3 === 1 ? 'EINTR' : 'EAGAIN')
    return original(descriptor, buffer, offset, Math.min(length as number, 5), position)
  }
}

function reluctantLater(original: Call): Call {
  let calls = 0
  return (descriptor, buffer, offset, length, position, done) => {
    calls += 1
    if (calls % 3 !== 0) {
      const error = systemError(calls % 3 === 1 ? 'EINTR' : 'EAGAIN')
      setImmediate(() => (done as (error: Error) => void)(error))
      return
    }
    original(descriptor, buffer, offset, Math.min(length as number, 5), position, done)
  }
}

describe('interrupted calls', () => {
  const bytes = Buffer.from('a line that takes more than one call')

  it('are repeated, and short ones go on where they ended', async () => {
    replace('writeSync', reluctant(originals['writeSync'] as Call))
    replace('readSync', reluctant(originals['readSync'] as Call))
    replace('write', reluctantLater(originals['write'] as Call))
    replace('read', reluctantLater(originals['read'] as Call))
    const file = fs.openSync(join(temporaryDirectory(), 'f'), 'create')
    file.writeSync(bytes, 0)
    await file.write(bytes, bytes.length)
    const found = Buffer.alloc(bytes.length)
    expect(await file.read(found, 0)).toBe(bytes.length)
    expect(found).toEqual(bytes)
    found.fill(0)
    expect(file.readSync(found, bytes.length)).toBe(bytes.length)
    expect(found).toEqual(bytes)
    file.closeSync()
  })

  it('are not repeated for ever', async () => {
    const file = fs.openSync(join(temporaryDirectory(), 'f'), 'create')
    let calls = 0
    const refuse = (): never => {
      calls += 1
      throw systemError('EAGAIN')
    }
    for (const name of ['writeSync', 'readSync']) replace(name, refuse)
    expect(() => file.writeSync(bytes, 0)).toThrow(expect.objectContaining({ code: 'EAGAIN' }))
    expect(() => file.readSync(bytes, 0)).toThrow(expect.objectContaining({ code: 'EAGAIN' }))
    expect(calls).toBeGreaterThan(100)
    expect(calls).toBeLessThan(10_000)
    file.closeSync()
  })
})

describe('a close that complains', () => {
  it('is not thrown, unless the descriptor was not ours', () => {
    const file = fs.openSync(join(temporaryDirectory(), 'f'), 'create')
    const complain = (code: string) => (descriptor: number) => {
      ;(originals['closeSync'] as (descriptor: number) => void)(descriptor)
      throw systemError(code)
    }
    replace('closeSync', complain('EIO'))
    file.closeSync()
    const other = fs.openSync(join(temporaryDirectory(), 'g'), 'create')
    replace('closeSync', complain('EBADF'))
    expect(() => other.closeSync()).toThrow(expect.objectContaining({ code: 'EBADF' }))
  })
})
