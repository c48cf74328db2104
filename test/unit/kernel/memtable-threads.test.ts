// Readers beside the writer on real threads. The second run proves that the first one could fail.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const script = fileURLToPath(new URL('memtable-stress.mjs', import.meta.url))
const LONG = 60_000

async function stress(...args: string[]): Promise<Record<string, number>> {
  const { stdout } = await promisify(execFile)('node', [script, ...args], { timeout: LONG })
  return JSON.parse(stdout)
}

it(
  'a reader finds every published entry while the writer splits and rewrites nodes',
  async () => {
    const { gets, pages, misses, traps } = await stress('3000')
    expect({ misses, traps }).toEqual({ misses: 0, traps: 0 })
    expect(gets).toBeGreaterThan(20_000)
    expect(pages).toBeGreaterThan(1000)
  },
  LONG,
)

it(
  'a reader that ignores versions is caught',
  async () => {
    const { misses, traps } = await stress('2000', 'broken')
    expect(misses! + traps!).toBeGreaterThan(0)
  },
  LONG,
)
