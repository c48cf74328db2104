// A database whose background threads are test/workers/faulty-worker.mjs, beside the model of what it must hold.
import { existsSync, readdirSync, readlinkSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { expect, onTestFinished, vi } from 'vitest'
import { type Database, type DatabaseOptions, open, SettError } from '../../src/index.ts'
import { manifestPath, segmentPath, tablePath, walPath } from '../../src/io/file-names.ts'
import { nodeFileSystem } from '../../src/io/node-file-system.ts'
import { readManifest } from '../../src/manifest/read-manifest.ts'
import { drainSyncWorker } from '../../src/pool/sync-worker.ts'
import { drainProcessPool } from '../../src/pool/worker-pool.ts'
import { type Prng, prng, seededBytes } from '../model/prng.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'

export const faultyWorkerUrl: string = new URL('faulty-worker.mjs', import.meta.url).href

type FieldOptions = Omit<DatabaseOptions<string, string>, 'userland'>

const OPTIONS: FieldOptions = {
  workers: 2,
  workerUrl: faultyWorkerUrl,
  durability: 'none',
  memtableSize: 64 * 1024,
  memoryBudget: 8 * 1024 * 1024,
  tableSize: 32 * 1024,
  l0CompactTrigger: 4,
}
const KEYS = 300
/** What takes longer hangs, however slow the machine. */
const LONG_MS = Number(process.env['SETT_TEST_LIMIT_MS'] ?? 90_000)
vi.setConfig({ testTimeout: LONG_MS, hookTimeout: LONG_MS })

export class Field {
  static readonly #opened = new Set<Field>()
  readonly directory: string
  readonly model: Map<string, string> = new Map()
  readonly random: Prng
  readonly #options: FieldOptions
  #database: Database<string, string> | undefined
  #commits = 0

  private constructor(directory: string, seed: number, options: FieldOptions) {
    this.directory = directory
    this.random = prng(seed)
    this.#options = { ...OPTIONS, ...options }
  }

  /** Ends every thread, for the test that follows; what a failed test left open is closed first. */
  static async endThreads(): Promise<void> {
    for (const field of Field.#opened) await field.#database?.close()
    Field.#opened.clear()
    await drainProcessPool()
    await drainSyncWorker()
  }

  /** Of no open database. */
  static async endWorkers(): Promise<void> {
    await drainProcessPool()
  }

  static async open(seed: number, options: FieldOptions = {}): Promise<Field> {
    const root = scratchDirectory('workers')
    onTestFinished(() => rmSync(root, { recursive: true, force: true }))
    const field = new Field(join(root, 'db'), seed, options)
    Field.#opened.add(field)
    await field.reopen()
    return field
  }

  get database(): Database<string, string> {
    return this.#database!
  }

  async reopen(options: FieldOptions = {}): Promise<void> {
    this.#database = await open(this.directory, { ...this.#options, ...options })
  }

  /** A commit of one to four operations; what was rejected is not in the model. Returns the error's code. */
  async commit(): Promise<string | undefined> {
    const { random, model } = this
    const number = ++this.#commits
    const count = random.chance(0.7) ? 1 : 2 + random.below(3)
    const operations = Array.from({ length: count }, (_, at) => {
      const key = `key ${String(random.below(KEYS)).padStart(4, '0')}`
      if (random.chance(0.2)) return { type: 'del' as const, key }
      const filler = seededBytes(number, 200 + random.below(1000)).toString('latin1')
      return { type: 'put' as const, key, value: `${number}.${at} ${filler}` }
    })
    try {
      await this.database.batch(operations)
    } catch (error) {
      return codeOf(error)
    }
    for (const operation of operations) {
      if (operation.type === 'put') model.set(operation.key, operation.value)
      else model.delete(operation.key)
    }
    return undefined
  }

  /** So many commits, one after the other, all accepted. */
  async fill(count: number): Promise<void> {
    for (let i = 0; i < count; i++) expect(await this.commit()).toBe(undefined)
  }

  /** Everything read equals the model, forwards, backwards and by key. */
  async check(): Promise<void> {
    const { database, model } = this
    const expected = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
    expect(await database.iterator().all()).toEqual(expected)
    expect((await database.keys({ reverse: true }).all()).reverse()).toEqual(
      expected.map(([key]) => key),
    )
    for (let i = 0; i < 10; i++) this.checkOne()
  }

  /** A read on this thread. */
  checkOne(): void {
    const key = `key ${String(this.random.below(KEYS)).padStart(4, '0')}`
    expect(this.database.getSync(key)).toBe(this.model.get(key))
  }

  /** Closes; then every file is one the manifest names, and another process's worth of code finds the same. */
  async finish(): Promise<void> {
    await this.database.close()
    checkDirectory(this.directory)
    await this.reopen({ workers: 0 })
    await this.check()
    const report = await this.database.verify()
    expect(report.problems).toEqual([])
    await this.database.close()
  }
}

/** After a clean close nothing is left over and nothing missing. */
function checkDirectory(directory: string): void {
  const recovered = readManifest(nodeFileSystem, directory)
  if (recovered === undefined) throw new Error('no database after a clean close')
  const { levels, wals, segments } = recovered.state
  const named = [
    join(directory, 'CURRENT'),
    join(directory, 'LOCK'),
    manifestPath(directory, recovered.number),
    ...wals.map(({ number }) => walPath(directory, number)),
    ...levels.flat().map(({ number }) => tablePath(directory, number)),
    ...segments.map(({ number }) => segmentPath(directory, number)),
  ]
  const there = readdirSync(directory).map((name) => join(directory, name))
  expect(there.sort()).toEqual(named.sort())
}

export function codeOf(error: unknown): string {
  if (error instanceof SettError) return error.code
  if (error instanceof Error && 'code' in error) return String(error.code)
  return `no code: ${error}`
}

/** Fails instead of hanging the run. */
export async function inTime<T>(work: Promise<T>, limitMs: number = LONG_MS / 2): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`it took more than ${limitMs} ms`)), limitMs)
  })
  try {
    return await Promise.race([work, limit])
  } finally {
    clearTimeout(timer)
  }
}

/** Descriptors this process holds, but for the segments that readers keep open, of which there is a bounded number; 0
 * where the system does not say. */
export function descriptors(): number {
  const list = '/proc/self/fd'
  if (!existsSync(list)) return 0
  return readdirSync(list).filter((name) => !isSegment(`${list}/${name}`)).length
}

function isSegment(descriptor: string): boolean {
  // The list's own descriptor is gone by now.
  if (!existsSync(descriptor)) return false
  return readlinkSync(descriptor).endsWith('.vlog')
}
