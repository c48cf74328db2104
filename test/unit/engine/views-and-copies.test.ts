// What a reader was given is its own, and tables stay as long as a view, or the manifest on disk, shows them.
import { deepStrictEqual } from 'node:assert'
import { expect, it } from 'vitest'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import type { DataForm, RangeReader } from '../../../src/engine/types.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { start } from '../../support/small-engine.ts'

const keyOf = (i: number): string => `k${String(i).padStart(4, '0')}`

async function fill(engine: StorageEngine, count: number, mark: string): Promise<void> {
  const puts = Array.from({ length: count }, (_, i) => {
    return engine.put(keyOf(i), `${mark} ${i} ${'.'.repeat(200)}`, {})
  })
  await Promise.all(puts)
}

function scan(engine: StorageEngine, form: DataForm): RangeReader {
  const { version } = engine
  return engine.range({ keys: true, values: true, keyForm: form, valueForm: form, version })
}

it('a value that was handed out is the reader’s own, from memory and from a table', async () => {
  const engine = await start(new FaultFileSystem())
  await fill(engine, 50, 'one')
  for (const flushed of [false, true]) {
    if (flushed) await engine.flush()
    for (const form of ['buffer', 'view'] as const) {
      const value = engine.getSync(keyOf(7), undefined, form) as Uint8Array
      expect(Buffer.isBuffer(value)).toBe(form === 'buffer')
      value.fill(0)
      expect(engine.getSync(keyOf(7), undefined, 'utf8')).toMatch(/^one 7 \.+$/)
    }
  }
  await engine.close()
})

it('a page that was handed out stays as it was while the scan goes on', async () => {
  const engine = await start(new FaultFileSystem())
  await fill(engine, 200, 'one')
  for (const form of ['buffer', 'view'] as const) {
    const reader = scan(engine, form)
    const pages = Array.from({ length: 4 }, () => reader.next(50))
    const found = pages
      .flat()
      .map((pair) => pair.map((data) => Buffer.from(data as Uint8Array).toString()))
    expect(found.map(([key]) => key)).toEqual(Array.from({ length: 200 }, (_, i) => keyOf(i)))
    for (const [i, [, value]] of found.entries()) expect(value).toMatch(new RegExp(`^one ${i} \\.`))
  }
  await engine.close()
})

it('a scan gives ordinary Buffers and nothing else, also where values end a page early', async () => {
  const engine = await start(new FaultFileSystem(), { memoryBudget: 64 * 1024 * 1024 })
  const long = Buffer.alloc(300 * 1024, 'v')
  const values = Array.from({ length: 30 }, (_, i) => (i % 3 === 0 ? long : Buffer.from(`v${i}`)))
  for (const [i, value] of values.entries()) await engine.put(keyOf(i), value, {})
  await engine.flush()
  const reader = scan(engine, 'buffer')
  const pages = [reader.next(50), reader.next(50), reader.next(50)]
  // Strict as to class and holes.
  const expected = values.map((value, i) => [Buffer.from(keyOf(i)), value])
  deepStrictEqual(pages.flat(), expected)
  expect(pages.map((page) => page.length)).toEqual(pages.map((page) => Object.keys(page).length))
  expect(pages[1]).not.toEqual([])
  await engine.close()
})

it('a scan sees what waits for its flush', async () => {
  const fs = new FaultFileSystem()
  const engine = await start(fs)
  fs.inject({ on: 'create', path: /\.sst$/, errno: 'ENOSPC', forever: true })
  for (let i = 0; i < 300; i++) await engine.put(keyOf(i), 'v'.repeat(300), {})
  const found = scan(engine, 'utf8').next(1_000)
  expect(found.map(([key]) => key)).toEqual(Array.from({ length: 300 }, (_, i) => keyOf(i)))
  fs.heal()
  await engine.close()
})

it('tables stay while somebody reads a view that shows them', async () => {
  const engine = await start(new FaultFileSystem(), { l0CompactTrigger: 20, l0StallTrigger: 40 })
  for (let round = 0; round < 8; round++) {
    await fill(engine, 40, `round ${round}`)
    await engine.flush()
  }
  const report = engine.verify({})
  await engine.compactRange(undefined, undefined)
  expect(await report).toMatchObject({ ok: true, problems: [], tables: { files: 8 } })
  await engine.close()
})

it('tables stay until the edit that replaces them is durable', async () => {
  const fs = new FaultFileSystem()
  const engine = await start(fs, { l0CompactTrigger: 20, l0StallTrigger: 40 })
  for (const mark of ['one', 'two']) {
    await fill(engine, 10, mark)
    await engine.flush()
  }
  const tables = (): string[] => fs.listSync('/db').filter((name) => name.endsWith('.sst'))
  const inputs = tables()
  let release = (): void => undefined
  const until = new Promise<void>((resolve) => {
    release = resolve
  })
  const held = fs.inject({ on: 'sync', path: /MANIFEST/, until, forever: true })
  const compaction = engine.compactRange(undefined, undefined)
  const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve))
  while (held.matches === 0) await turn()
  for (let i = 0; i < 50; i++) await turn()
  expect(tables()).toEqual(expect.arrayContaining(inputs))
  release()
  await compaction
  await engine.close()
  for (const name of inputs) expect(tables()).not.toContain(name)
})
