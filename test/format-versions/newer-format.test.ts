// A database of a later release: whichever of its files says so, it is refused by name and number, and left alone.
import { cpSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from 'vitest'
import { FORMAT_VERSION } from '../../src/base/limits.ts'
import { hash64 } from '../../src/base/xxh64.ts'
import { checksum } from '../../src/format/checksum.ts'
import { FOOTER_BYTES } from '../../src/format/file-footer.ts'
import { open, repair } from '../../src/index.ts'
import { sett } from '../support/command-line.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'
import { KEPT_OPTIONS } from './kept-database.ts'

const NEWER = FORMAT_VERSION + 1
const kept = fileURLToPath(new URL(`./version-${FORMAT_VERSION}/`, import.meta.url))

type Change = (bytes: Buffer) => void

/** CURRENT and every file header have the version and the checksum in the same places. */
const inHeader: Change = (bytes) => {
  bytes.writeUInt32LE(NEWER, 8)
  bytes.writeBigUInt64LE(hash64(bytes.subarray(0, 56), 0n), 56)
}

const inFooter: Change = (bytes) => {
  const position = bytes.length - FOOTER_BYTES
  const footer = bytes.subarray(position)
  footer.writeUInt32LE(NEWER, 88)
  const salt = footer.subarray(80, 88)
  const fileNumber = Number(footer.readBigUInt64LE(72))
  footer.writeBigUInt64LE(checksum(footer.subarray(0, 112), { salt, fileNumber, position }), 112)
}

const PLACES: readonly (readonly [string, RegExp, Change])[] = [
  ['CURRENT', /^CURRENT$/, inHeader],
  ['the manifest', /^MANIFEST-/, inHeader],
  ['a log', /\.wal$/, inHeader],
]

/** Tables are looked into when they are first read. */
const TABLES: typeof PLACES = [
  ['headers', /\.sst$/, inHeader],
  ['footers', /\.sst$/, inFooter],
]

function newer(image: string, name: RegExp, change: Change): string {
  const directory = join(temporaryDirectory(), 'db')
  cpSync(join(kept, image), directory, { recursive: true })
  const files = readdirSync(directory).filter((file) => name.test(file))
  expect(files).not.toEqual([])
  for (const file of files) {
    const bytes = readFileSync(join(directory, file))
    change(bytes)
    writeFileSync(join(directory, file), bytes)
  }
  return directory
}

/** LOCK comes and goes with openers. */
function picture(directory: string): string[] {
  return readdirSync(directory)
    .filter((name) => name !== 'LOCK')
    .sort()
    .map((name) => `${name} ${readFileSync(join(directory, name)).toString('base64')}`)
}

const refusal = {
  code: 'SETT_NEWER_FORMAT',
  message: expect.stringMatching(
    new RegExp(`format version ${NEWER}; .* up to ${FORMAT_VERSION}\\. .*newer release`),
  ),
}

async function expectRefusedByTools(directory: string): Promise<void> {
  await expect(repair(directory, { workers: 0 })).rejects.toMatchObject(refusal)
  const doctor = await sett('doctor', '--db', directory)
  expect(doctor.code).toBe(1)
  expect(doctor.stdout).toMatch(new RegExp(`format version ${NEWER}.*newer release`, 's'))
}

describe.each(['closed', 'killed'])('%s, a newer format in', (image) => {
  test.each(PLACES)('%s is refused, and nothing is changed', async (_, name, change) => {
    const directory = newer(image, name, change)
    const before = picture(directory)
    for (const options of [{ readOnly: true }, {}]) {
      const used = open(directory, { ...KEPT_OPTIONS, ...options })
      const error: unknown = await used.catch((cause: Error) => cause.cause)
      expect(error).toMatchObject(refusal)
      expect(picture(directory)).toEqual(before)
    }
    await expectRefusedByTools(directory)
    expect(picture(directory)).toEqual(before)
  })

  test.each(TABLES)(
    'the %s of tables is refused by whoever reads them',
    async (_, name, change) => {
      const directory = newer(image, name, change)
      const before = picture(directory)
      const database = await open(directory, { ...KEPT_OPTIONS, readOnly: true })
      await expect(database.get('key 0003')).rejects.toMatchObject(refusal)
      await expect(database.iterator().all()).rejects.toMatchObject(refusal)
      expect((await database.verify()).ok).toBe(false)
      await database.close()
      await expectRefusedByTools(directory)
      expect(picture(directory)).toEqual(before)
    },
  )
})
