// Databases that each format version left behind, cleanly closed and killed, open and hold what they held.
import { cpSync, existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { FORMAT_VERSION } from '../../src/base/limits.ts'
import { type Database, open } from '../../src/index.ts'
import { nodeFileSystem } from '../../src/io/node-file-system.ts'
import { readManifest } from '../../src/manifest/read-manifest.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'
import { expectedContent, KEPT_OPTIONS } from './kept-database.ts'

const here = fileURLToPath(new URL('./', import.meta.url))
const versions = readdirSync(here).filter((name) => name.startsWith('version-'))
const images = versions.flatMap((version) => [
  [version, 'closed'],
  [version, 'killed'],
])

function copyOf(version: string, image: string): string {
  const directory = join(temporaryDirectory(), 'db')
  cpSync(join(here, version, image), directory, { recursive: true })
  return directory
}

function contentOf(version: string): [string, string][] {
  const lines = readFileSync(join(here, version, 'content.txt'), 'utf8')
    .trimEnd()
    .split('\n')
  return lines.map((line) => JSON.parse(line) as [string, string])
}

function picture(directory: string): string[] {
  return readdirSync(directory)
    .sort()
    .map((name) => `${name} ${readFileSync(join(directory, name)).toString('base64')}`)
}

async function expectContent(database: Database, content: [string, string][]): Promise<void> {
  expect(await database.iterator().all()).toEqual(content)
  for (const [key, value] of content) expect(await database.get(key)).toBe(value)
  expect(await database.get('key 0005')).toBeUndefined()
  expect(await database.verify()).toMatchObject({ ok: true })
}

test('every version so far is kept', () => {
  const all = Array.from({ length: FORMAT_VERSION }, (_, i) => `version-${i + 1}`)
  expect(versions.sort()).toEqual(all)
})

test('the kept content is what its steps make', async () => {
  const path = join(here, `version-${FORMAT_VERSION}`, 'content.txt')
  expect(readFileSync(path, 'utf8')).toBe(await expectedContent())
})

describe.each(images)('%s, %s', (version, image) => {
  test('holds tables in several levels, a live log, and the end it is named for', () => {
    const directory = join(here, version, image)
    const manifest = readManifest(nodeFileSystem, directory)
    expect(manifest?.clean).toBe(image === 'closed')
    const filled = manifest?.state.levels.filter((tables) => tables.length > 0) ?? []
    expect(filled.length).toBeGreaterThanOrEqual(2)
    expect(filled.flat().some(({ tombstones }) => tombstones > 0)).toBe(true)
    const logs = manifest?.state.wals.map(({ sealed }) => sealed !== undefined) ?? []
    expect(logs).toEqual([image === 'closed'])
    expect(existsSync(join(directory, 'LOCK'))).toBe(false)
  })

  test('is read without writing anything', async () => {
    const directory = copyOf(version, image)
    const before = picture(directory)
    const database = await open(directory, { ...KEPT_OPTIONS, readOnly: true })
    await expectContent(database, contentOf(version))
    await database.close()
    expect(picture(directory)).toEqual(before)
  })

  test('is written to, merged and opened again', async () => {
    const directory = copyOf(version, image)
    const content = contentOf(version)
    const database = await open(directory, KEPT_OPTIONS)
    await expectContent(database, content)
    await database.put('zz', 'new')
    await database.compactRange()
    await expectContent(database, [...content, ['zz', 'new']])
    await database.close()
    const again = await open(directory, KEPT_OPTIONS)
    await expectContent(again, [...content, ['zz', 'new']])
    await again.close()
  })
})
