// A directory copied with `cp -r` while it is written to: the copy refuses to open, or it opens as what some moment
// left, like after a crash. Never anything else.
import { execFile } from 'node:child_process'
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'

const COPIES = Number(process.env['SETT_LIVE_COPIES'] ?? 20)
const KEYS = 60
const OPTIONS = resolveOptions(
  {
    workers: 0,
    memtableSize: 65_536,
    memoryBudget: 8 * 1024 * 1024,
    blockSize: 512,
    tableSize: 16_384,
    durability: 'none',
  },
  {},
)

/** Commit `n` writes one key; all of the state follows from the newest. */
function textOf(n: number): string {
  return `${n} ${String.fromCharCode(97 + (n % 26)).repeat(200 + (n % 900))}`
}

function stateAt(newest: number): Map<string, string> {
  const state = new Map<string, string>()
  for (let n = Math.max(1, newest - KEYS + 1); n <= newest; n++) state.set(`${n % KEYS}`, textOf(n))
  return state
}

function contentOf(engine: StorageEngine): Map<string, string> {
  const { version } = engine
  const form = { keyForm: 'utf8', valueForm: 'utf8' } as const
  const reader = engine.range({ keys: true, values: true, ...form, version })
  const content = new Map<string, string>()
  for (let page = reader.next(100); page.length > 0; page = reader.next(100)) {
    for (const [key, value] of page) content.set(String(key), String(value))
  }
  return content
}

it(`${COPIES} copies of a directory in use`, async () => {
  const root = scratchDirectory('copies')
  const source = join(root, 'db')
  const engine = await openEngine(source, OPTIONS)
  let written = 0
  let acked = 0
  let stopped = false
  const writing = (async () => {
    while (!stopped) {
      written += 1
      await engine.put(`${written % KEYS}`, textOf(written), {})
      acked = written
      if (written % 8 === 0) await new Promise((resolve) => setImmediate(resolve))
    }
  })()
  const tally = { opened: 0, refused: 0 }
  for (let i = 0; i < COPIES; i++) {
    const copy = join(root, `copy-${i}`)
    const before = acked
    // A file that goes while it is being copied is one that cp complains about.
    await promisify(execFile)('cp', ['-r', source, copy]).catch(() => undefined)
    const after = written
    const outcome = await judge(copy)
    if (outcome === undefined) tally.refused += 1
    else {
      tally.opened += 1
      const newest = Math.max(
        0,
        ...[...outcome.values()].map((value) => Number.parseInt(value, 10)),
      )
      expect(newest).toBeLessThanOrEqual(after + 1)
      expect([...outcome].sort()).toEqual([...stateAt(newest)].sort())
      // Without syncs the end may be missing, but no more than the log had not got yet.
      expect(newest).toBeGreaterThanOrEqual(Math.min(before, 1))
    }
    rmSync(copy, { recursive: true })
  }
  stopped = true
  await writing
  await engine.close()
  console.log(`${tally.opened} copies opened, ${tally.refused} refused, ${written} commits`)
  rmSync(root, { recursive: true })
  expect(tally.opened + tally.refused).toBe(COPIES)
  expect(written).toBeGreaterThan(KEYS)
}, 120_000)

/** undefined: refused, with a file and a reason. */
async function judge(copy: string): Promise<Map<string, string> | undefined> {
  let engine: StorageEngine
  try {
    engine = await openEngine(copy, OPTIONS)
  } catch (error) {
    expect(error).toMatchObject({ code: 'LEVEL_CORRUPTION' })
    expect((error as { file: string }).file.startsWith(copy)).toBe(true)
    return undefined
  }
  const content = contentOf(engine)
  expect((await engine.verify({})).problems).toEqual([])
  await engine.close()
  return content
}
