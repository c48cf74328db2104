// Background threads give way to the main thread. Linux only: elsewhere a priority is the process's.
import { execFile } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { getPriority } from 'node:os'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { afterAll, expect, it } from 'vitest'
import { open } from '../../src/index.ts'
import { drainSyncWorker } from '../../src/pool/sync-worker.ts'
import { BACKGROUND_NICE, lowerOwnPriority } from '../../src/pool/threads/lower-priority.ts'
import { drainProcessPool } from '../../src/pool/worker-pool.ts'
import { workerUrl } from '../../src/pool/worker-url.ts'
import { sharedTemporaryDirectory } from '../support/temp-directory.ts'

const directory = sharedTemporaryDirectory()

afterAll(async () => {
  await drainProcessPool()
  await drainSyncWorker()
})

/** By thread id. */
function priorities(): Map<string, number> {
  const found = new Map<string, number>()
  for (const thread of readdirSync('/proc/self/task')) {
    // Behind the name, which may hold anything, the seventeenth field is the nice value (proc(5)).
    const stat = readFileSync(`/proc/self/task/${thread}/stat`, 'latin1')
    found.set(thread, Number(stat.slice(stat.lastIndexOf(')') + 2).split(' ')[16]))
  }
  return found
}

it.runIf(process.platform === 'linux')(
  'only the threads that flush and compact give way',
  async () => {
    const before = priorities()
    const own = getPriority(0)
    const database = await open(directory, { workers: 1, durability: 'sync' })
    for (let i = 0; i < 20; i++) await database.put(`${i}`, 'value')
    await database.flush()
    const after = priorities()
    await database.close()
    for (const [thread, nice] of before) expect(after.get(thread) ?? nice).toBe(nice)
    const changed = [...after].filter(([thread, nice]) => !before.has(thread) && nice !== own)
    expect(changed.map(([, nice]) => nice)).toEqual([Math.min(19, own + BACKGROUND_NICE)])
    expect(getPriority(0)).toBe(own)
  },
)

it('changes nothing where the priority would be the application’s', () => {
  const own = getPriority(0)
  for (const platform of ['darwin', 'win32', 'freebsd'] as const) lowerOwnPriority(platform)
  expect(getPriority(0)).toBe(own)
})

it.runIf('require_module' in process.features)(
  'nor does their file wait at its top: CommonJS knows no such thing, and bundlers make that of it',
  async () => {
    const file = fileURLToPath(workerUrl('background'))
    const script = `console.log(typeof require(${JSON.stringify(file)}).runTask)`
    const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', '-e', script])
    expect(stdout.trim()).toBe('function')
  },
)
