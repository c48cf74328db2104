// Reads of blocks that are not in the cache, from a disk so slow that they leave the thread: more of them at once than
// the cache has slots.
import { afterAll, expect, it } from 'vitest'
import type { FileSystem, OpenFile } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { ends, start } from '../../support/small-engine.ts'
import { wrappedFile } from '../../support/wrapped-file.ts'

const READ_MS = 1
const KEYS = 3_000

function slow(file: OpenFile): OpenFile {
  return wrappedFile(file, {
    readSync(target, position) {
      const until = performance.now() + READ_MS
      while (performance.now() < until);
      return file.readSync(target, position)
    },
    async read(target, position) {
      await new Promise((resolve) => setTimeout(resolve, READ_MS))
      return file.readSync(target, position)
    },
  })
}

function slowDisk(): FileSystem {
  const inner = memoryFileSystem()
  return { ...inner, openSync: (path, mode) => slow(inner.openSync(path, mode)) }
}

const key = (i: number): string => `key ${String((i * 7919) % KEYS).padStart(6, '0')}`
const ended: (() => Promise<void>)[] = []
afterAll(async () => {
  for (const close of ended) await close()
})

it.each([
  ['more blocks than the cache has slots', 4_096, {}],
  ['large blocks, of which it has three slots,', 64 * 1024, {}],
  ['blocks and the values they point to', 4_096, { valueThreshold: 64 }],
])('%s are all read, at once and again', async (_, blockSize, options) => {
  const engine = await start(slowDisk(), { blockCacheSize: 256 * 1024, blockSize, ...options })
  ended.push(() => engine.close())
  const put = (i: number) =>
    ({ type: 'put', key: key(i), value: `${i} ${'x'.repeat(200)}` }) as const
  for (let i = 0; i < KEYS; i += 100) {
    await engine.batch(
      Array.from({ length: 100 }, (_, j) => put(i + j)),
      {},
    )
  }
  await engine.flush()
  await engine.compactRange(undefined, undefined)
  let awaited = 0
  for (let round = 0; round < 3; round++) {
    const reads = Array.from({ length: 200 }, (_, i) => {
      const answer = engine.get(key(i * 13 + round), undefined, 'utf8')
      if (answer instanceof Promise) awaited += 1
      return answer
    })
    const values = await ends(Promise.all(reads))
    for (const [i, value] of values.entries()) {
      expect(String(value).startsWith(`${i * 13 + round} `)).toBe(true)
    }
  }
  expect(awaited).toBeGreaterThan(64)
})
