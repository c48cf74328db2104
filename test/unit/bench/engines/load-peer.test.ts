import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { loadPeer } from '../../../../bench/peers/load-peer.ts'
import { levelLayout, shareInTables } from '../../../../bench/peers/rocksdb-levels.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'

interface Answer {
  readonly answer: number
}

const PEER = { name: 'some-store', major: 2, inside: ({ answer }: Answer) => `Core ${answer}` }
const before = process.cwd()

beforeEach(() => process.chdir(temporaryDirectory()))
afterEach(() => process.chdir(before))

function install(version: string, code: string): void {
  const folder = join('node_modules', 'some-store')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), JSON.stringify({ name: 'some-store', version }))
  writeFileSync(join(folder, 'index.js'), code)
}

it('finds a peer beside the caller and tells its version and that of the store inside', () => {
  install('2.5.1', 'exports.answer = 42')
  expect(loadPeer(PEER)).toEqual({ exports: { answer: 42 }, version: '2.5.1 (Core 42)' })
  expect(loadPeer({ ...PEER, inside: () => '' }).version).toBe('2.5.1')
})

it('tells how to get a peer that is missing or of another major version', () => {
  expect(() => loadPeer(PEER)).toThrow(/some-store is not installed; run `npm run bench:peers`/)
  install('3.0.0', 'exports.answer = 42')
  expect(() => loadPeer(PEER)).toThrow(/is 3\.0\.0, measured is 2\.x; run `npm/)
})

it('tells why a peer does not load', () => {
  install('2.0.0', `throw new Error('no binary for this machine\\nand a long list')`)
  expect(() => loadPeer(PEER)).toThrow(
    /some-store 2\.0\.0 in .*does not load: no binary for this machine; try `npm rebuild some-store`/,
  )
  const inside = (): never => {
    throw new Error('cannot open')
  }
  install('2.0.0', 'exports.answer = 42')
  expect(() => loadPeer({ ...PEER, inside })).toThrow(/does not load/)
})

it("reads RocksDB's levels and the share of its entries that lie in tables", async () => {
  const stats =
    'Level Files Size(MB)\n--------------------\n  0        2        1\n  1        0        0\n  6       13      200\n'
  expect(levelLayout(stats)).toBe('L0:2 L6:13')
  expect(levelLayout(undefined)).toBe('')
  const figures: { readonly [name: string]: string } = {
    'num-entries-active-mem-table': '20',
    'num-entries-imm-mem-tables': '5',
    'estimate-num-keys': '100',
  }
  expect(await shareInTables((name) => figures[name])).toBe(0.75)
  expect(await shareInTables(async () => undefined)).toBeUndefined()
})
