// What users store shows up in what they read, and nowhere else: not in errors, logs or reports, and not in files it
// was never written to.
import { randomBytes } from 'node:crypto'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import { repairDirectory } from '../../src/engine/repair/repair.ts'
import { open } from '../../src/index.ts'
import { examine } from '../../src/inspect/doctor/doctor.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { DIRECTORY, type Image, imageOf, place } from '../corrupt/image.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { prng } from '../model/prng.ts'

const SMALL = {
  workers: 0,
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  blockSize: 512,
  tableSize: 16_384,
}

/** Bytes that are in no other test's memory, and read backwards are others. */
function canary(): string {
  return `canary${randomBytes(8)
    .toString('latin1')
    .replaceAll(/[^a-z]/gi, (_, i: number) => 'bcdfghjk'[i]!)}Bird`
}

/** Pieces of it in any spelling somebody might print it in; eight bytes are enough to tell. */
function spellings(secret: string): string[] {
  const pieces = Array.from({ length: secret.length - 7 }, (_, i) => secret.slice(i, i + 8))
  return pieces.flatMap((piece) => [
    piece,
    Buffer.from(piece).toString('hex'),
    // As an array of bytes.
    [...Buffer.from(piece)].join(', '),
    [...Buffer.from(piece)].join(','),
  ])
}

function requireSilent(said: readonly string[], secret: string): void {
  const parts = spellings(secret)
  expect(said.filter((text) => parts.some((part) => text.includes(part)))).toEqual([])
}

/** A database full of the secret: keys, values, tables, a log. */
async function fill(fs: FileSystem, secret: string): Promise<void> {
  const engine = await openEngine(DIRECTORY, resolveOptions(SMALL), { fs })
  for (let i = 0; i < 300; i++) {
    await engine.put(`${secret} ${i}`, `${secret.repeat(1 + (i % 9))} ${i}`, { durability: 'none' })
    if (i % 7 === 0) await engine.del(`${secret} ${i - 3}`, { durability: 'none' })
  }
  await engine.flush()
  await engine.put(`${secret} large`, secret.repeat(2_000), { durability: 'none' })
  await engine.compactRange(undefined, undefined)
  for (let i = 0; i < 20; i++) await engine.put(`${secret} ${i}`, secret, { durability: 'none' })
  await engine.close()
}

describe('what is said', () => {
  it('about damaged files holds nothing that was stored', async () => {
    const secret = canary()
    const fs = new FaultFileSystem()
    await fill(fs, secret)
    const image = imageOf(fs)
    const said: string[] = []
    const random = prng(3)
    for (const [name, bytes] of image) {
      for (let i = 0; i < 12; i++) {
        said.push(...(await sayAll(new Map([...image, [name, damaged(bytes, i, secret, random)]]))))
      }
    }
    expect(said.length).toBeGreaterThan(100)
    requireSilent(said, secret)
  }, 60_000)

  it('about wrong calls holds nothing of them', async () => {
    const secret = canary()
    const said: string[] = []
    const logger = { debug: log, info: log, warn: log, error: log }
    function log(fields: unknown, message?: string): void {
      said.push(`${message} ${inspect(fields, { depth: 9 })}`)
    }
    const database = await open('db', { inMemory: true, memoryBudget: 8 * 1024 * 1024, logger })
    const long = secret.repeat(70_000 / secret.length + 1)
    const huge = secret.repeat((3 * 1024 * 1024) / secret.length)
    const wrong: (() => unknown)[] = [
      () => database.put(long, secret),
      () => database.put(secret, huge),
      () => database.put(secret, undefined as never),
      () => database.put(undefined as never, secret),
      () => database.get(long),
      () => database.del(long),
      () => database.batch([{ type: 'put', key: long, value: secret }]),
      () => database.batch([{ type: secret as 'put', key: secret, value: secret }]),
      () => database.batch([{ type: 'put', key: secret, value: null as never }]),
      () => database.put(secret, secret, { durability: 'fsync' as 'sync' }),
      () => database.get(secret, { snapshot: secret as never }),
      () => database.compactRange(long),
      () => database.getEntry(null as never),
      () => database.put(5 as never, secret, { keyEncoding: 'view' as never }),
      () => database.put(secret, Symbol(secret) as never),
    ]
    let refused = 0
    for (const call of wrong) {
      try {
        await call()
      } catch (error) {
        refused += 1
        said.push(...told(error))
      }
    }
    await database.close()
    expect(refused).toBeGreaterThan(9)
    requireSilent(said, secret)
  })
})

function damaged(
  bytes: Buffer,
  i: number,
  secret: string,
  random: ReturnType<typeof prng>,
): Buffer {
  const copy = Buffer.from(bytes)
  // Each third time the secret is what is found in place of something else.
  if (i % 3 === 0) copy.fill(secret, random.below(4) === 0 ? 0 : 8 * random.below(copy.length / 8))
  else if (i % 3 === 1) return copy.subarray(0, random.below(copy.length))
  else {
    const at = random.below(copy.length)
    copy[at] = copy[at]! ^ (1 << random.below(8))
  }
  // A file that ends with it.
  if (i % 6 === 0) copy.fill(secret, Math.max(0, copy.length - 64))
  return copy
}

/** Opens, reads, verifies, examines, repairs, reads again: everything any of it tells, but for what reads return. */
async function sayAll(image: Image): Promise<string[]> {
  const said: string[] = []
  const log = (fields: unknown, message?: string): void => {
    said.push(`${message} ${inspect(fields, { depth: 9 })}`)
  }
  const logger = { debug: log, info: log, warn: log, error: log }
  const listen = async (work: () => unknown): Promise<void> => {
    try {
      await work()
    } catch (error) {
      said.push(...told(error))
    }
  }
  const lock = { state: 'free', record: undefined, running: undefined } as const
  const look = async (fs: FileSystem): Promise<void> => {
    const engine = await openEngine(DIRECTORY, resolveOptions({ ...SMALL, logger }), { fs })
    await listen(() => {
      const form = { keyForm: 'utf8', valueForm: 'utf8' } as const
      const { version } = engine
      const reader = engine.range({ keys: true, values: true, ...form, version })
      while (reader.next(100).length > 0);
    })
    await listen(async () => said.push(inspect(await engine.verify({}), { depth: 9 })))
    await listen(() => engine.close())
  }
  const fs = place(image)
  await listen(() => said.push(inspect(examine({ fs, directory: DIRECTORY, lock }), { depth: 9 })))
  await listen(() => look(fs))
  await listen(async () => {
    const again = place(image)
    const report = await repairDirectory(DIRECTORY, resolveOptions({ ...SMALL, logger }), {
      fs: again,
    })
    // The range of lost keys is an answer, not a message.
    said.push(inspect(report.lost.map(({ keys, ...loss }) => [keys === undefined, loss])))
    said.push(inspect(report.notes))
    await look(again)
  })
  return said
}

/** Message, stack and fields of an error and of what caused it. */
function told(error: unknown): string[] {
  const said: string[] = []
  for (let at: unknown = error; at instanceof Error; at = at.cause) {
    said.push(at.message, `${at.stack}`, inspect(at, { depth: 9, maxStringLength: null }))
  }
  return said
}

describe('what is written', () => {
  it('to the files of one database is nothing of another in the same memory', async () => {
    const secret = canary()
    const first = new FaultFileSystem()
    await fill(first, secret)
    expect(hits(imageOf(first), secret)).toBeGreaterThan(100)
    // Pooled memory of Node's too.
    const litter = Array.from({ length: 5_000 }, () => Buffer.from(secret.repeat(5)))
    expect(litter.every((each) => each.length > 0)).toBe(true)
    const second = new FaultFileSystem()
    await fill(second, 'nothing of interest, of some length')
    expect(hits(imageOf(second), secret)).toBe(0)
    const spoilt = imageOf(second)
    for (const name of [...spoilt.keys()]) if (/^(?:MANI|CURR)/.test(name)) spoilt.delete(name)
    const repaired = place(spoilt)
    await repairDirectory(DIRECTORY, resolveOptions(SMALL), { fs: repaired })
    expect(hits(imageOf(repaired), secret)).toBe(0)
  })
})

/** Places in the files at which eight bytes of the secret begin. */
function hits(image: Image, secret: string): number {
  let count = 0
  for (const bytes of image.values()) {
    for (const piece of [secret.slice(0, 8), secret.slice(7, 15)]) {
      for (let at = bytes.indexOf(piece); at >= 0; at = bytes.indexOf(piece, at + 1)) count += 1
    }
  }
  return count
}
