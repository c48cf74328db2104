// createResources(): databases that share memory and workers.
import { syncBuiltinESMExports } from 'node:module'
import os from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { SharedResources } from '../../src/base/shared-resources.ts'
import { createResources, open, type Resources } from '../../src/index.ts'
import { codeOf, endsWithin } from '../support/small-engine.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const MIB = 2 ** 20

/** Code and message of what the failed open() was caused by. */
async function refusal(work: Promise<unknown>): Promise<string> {
  const error: unknown = await work.then(
    () => new Error('it opened'),
    (reason: unknown) => reason,
  )
  const { cause } = error as { cause?: { code: string; message: string } }
  return cause === undefined ? String(error) : `${cause.code}: ${cause.message}`
}

describe('createResources', () => {
  it.each<[unknown, RegExp]>([
    [undefined, /must be an object/],
    [{}, /'memoryBudget' must be a whole number of bytes, at least 8388608/],
    [{ memoryBudget: 8 * MIB - 1 }, /memoryBudget/],
    [{ memoryBudget: '1g' }, /memoryBudget/],
    [{ memoryBudget: 64 * MIB, workers: -1 }, /'workers' must be a whole number from 0 to 128/],
    [{ memoryBudget: 64 * MIB, workers: 1.5 }, /workers/],
    [{ memoryBudget: 64 * MIB, threads: 2 }, /only 'memoryBudget' and 'workers'/],
    [Object.create({ memoryBudget: 64 * MIB }), /memoryBudget/],
  ])('refuses %j', async (given, message) => {
    const made = async (): Promise<Resources> => createResources(given as never)
    expect(await codeOf(made())).toBe('SETT_INVALID_OPTION')
    await expect(made()).rejects.toThrow(message)
  })

  it('takes a worker per core, but no more than there may be', () => {
    const { availableParallelism } = os
    os.availableParallelism = () => 192
    syncBuiltinESMExports()
    try {
      expect(createResources({ memoryBudget: 64 * MIB }).workers).toBe(128)
      expect(resolveOptions({}, {}).workers).toBe(128)
    } finally {
      os.availableParallelism = availableParallelism
      syncBuiltinESMExports()
    }
  })

  it('is what the option takes, and nothing else is', async () => {
    const fake = { memoryBudget: 64 * MIB, workers: 0, stats: () => undefined }
    const opening = async (): Promise<unknown> =>
      open(temporaryDirectory(), { resources: fake as never })
    await expect(opening()).rejects.toThrow(/'resources' must be what createResources\(\) returned/)
  })
})

describe('the shared budget', () => {
  it('is taken at open and given back at close', async () => {
    const root = temporaryDirectory()
    const resources = createResources({ memoryBudget: 64 * MIB, workers: 0 })
    const first = await open(join(root, 'a'), { resources, memoryBudget: 40 * MIB })
    expect(first.explain()).toMatch(/memoryBudget +41943040/)
    expect(resources.stats()).toEqual({
      databases: 1,
      memoryBudget: 64 * MIB,
      memoryTaken: 40 * MIB,
      workers: 0,
      jobs: 0,
    })
    const second = (): Promise<unknown> =>
      open(join(root, 'b'), { resources, memoryBudget: 30 * MIB })
    expect(await refusal(second())).toMatch(
      /^SETT_OUT_OF_MEMORY: .*31457280 bytes.* only 25165824 are left; 1 open/,
    )
    const third = await open(join(root, 'c'), { resources })
    expect(third.explain()).toMatch(/memoryBudget +16777216 .* resources \/ 4/)
    await first.close()
    await first.close()
    const again = await open(join(root, 'b'), { resources, memoryBudget: 48 * MIB })
    expect(resources.stats()).toMatchObject({ databases: 2, memoryTaken: 64 * MIB })
    await Promise.all([again.close(), third.close()])
    expect(resources.stats()).toMatchObject({ databases: 0, memoryTaken: 0 })
  })

  it('is given back by an open that failed', async () => {
    const root = temporaryDirectory()
    const resources = createResources({ memoryBudget: 64 * MIB, workers: 0 })
    const other = await open(join(root, 'a'), { workers: 0 })
    expect(await refusal(open(join(root, 'a'), { resources }))).toMatch(/^LEVEL_LOCKED/)
    expect(await refusal(open(join(root, 'b'), { resources, createIfMissing: false }))).toMatch(
      /^LEVEL_NOT_FOUND/,
    )
    expect(resources.stats()).toMatchObject({ databases: 0, memoryTaken: 0 })
    await other.close()
  })

  it('contradictions are refused with the rule', async () => {
    const resources = createResources({ memoryBudget: 64 * MIB, workers: 2 })
    const at = temporaryDirectory()
    const opening = async (options: object): Promise<unknown> => open(at, { resources, ...options })
    await expect(opening({ workers: 3 })).rejects.toThrow(/'workers' \(3\) must be at most.*\(2\)/)
    await expect(opening({ memoryBudget: 65 * MIB })).rejects.toThrow(
      /'memoryBudget' \(65 MiB\) must be at most that of 'resources' \(64 MiB\)/,
    )
    await expect(opening({ blockCacheSize: 32 * MIB })).rejects.toThrow(/blockCacheSize/)
  })
})

describe('shared workers', () => {
  it('two databases under load both get on, with no more jobs at a time than there are workers', async () => {
    const root = temporaryDirectory()
    const resources = createResources({ memoryBudget: 32 * MIB, workers: 1 })
    const options = { resources, memtableSize: 65_536, durability: 'none', l0CompactTrigger: 2 }
    const names = ['a', 'b'] as const
    const databases = await Promise.all(
      names.map((name) => open(join(root, name), { ...options, durability: 'none' } as const)),
    )
    let most = 0
    const load = async (at: number): Promise<void> => {
      for (let i = 0; i < 60; i++) {
        const puts = Array.from({ length: 20 }, (_, j) =>
          databases[at]!.put(`k${(i * 7919 + j) % 977}`, 'v'.repeat(900)),
        )
        await Promise.all(puts)
        most = Math.max(most, resources.stats().jobs)
      }
    }
    await endsWithin(60_000, Promise.all([load(0), load(1)]))
    await endsWithin(60_000, Promise.all(databases.map((database) => database.settle())))
    for (const database of databases) {
      const { flushes, compactions } = database.stats()
      expect(flushes).toBeGreaterThan(5)
      expect(compactions).toBeGreaterThan(1)
    }
    expect(most).toBe(1)
    await Promise.all(databases.map((database) => database.close()))
    expect(resources.stats()).toMatchObject({ databases: 0, jobs: 0 })
    expect(resources).toBeInstanceOf(SharedResources)
  }, 150_000)
})
