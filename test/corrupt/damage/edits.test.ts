// Manifests of two hundred edits, of which one is lost, doubled, or two are exchanged; and one made to keep whoever
// looks for evidence behind damage busy.
import { expect, it } from 'vitest'
import { CorruptionError } from '../../../src/base/errors.ts'
import { checksumSeed } from '../../../src/format/checksum.ts'
import { encodeCurrent } from '../../../src/format/current-file.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from '../../../src/format/file-header.ts'
import {
  EDIT_HEADER_BYTES,
  EDIT_MAGIC,
  encodeEditPayload,
  type ManifestEdit,
  sealEdit,
} from '../../../src/format/manifest-edit.ts'
import { readManifest } from '../../../src/manifest/read-manifest.ts'
import { DIRECTORY } from '../image.ts'
import { imageFileSystem } from './image-file-system.ts'

const EDITS = 200
/** Of the 19,900 pairs, one in so many. */
const STEP = Number(process.env['SETT_CORRUPT_STEP'] ?? 41)
const SALT = Buffer.from('1122334455667788', 'hex')
const HEADER = encodeFileHeader({ kind: 'manifest', number: 1, salt: SALT, parameter: 0 })

function editOf(i: number): ManifestEdit {
  if (i === 0) return { snapshot: true, nextFileNumber: 2, lastVersion: 0, historyFloor: 0 }
  if (i % 3 === 0) return { lastVersion: i }
  return { walsAdded: [{ number: i + 1, salt: '0011223344556677' }], nextFileNumber: i + 2 }
}

function sealedEdits(): { edits: Buffer[]; lastChecksum: bigint } {
  let seed = checksumSeed({ salt: SALT, fileNumber: 1, position: FILE_HEADER_BYTES })
  const edits = Array.from({ length: EDITS }, (_, i) => {
    const { bytes, checksum } = sealEdit(encodeEditPayload(editOf(i)), i + 1, seed)
    seed = checksum
    return bytes
  })
  return { edits, lastChecksum: seed }
}

const { edits, lastChecksum } = sealedEdits()

/** How many edits are taken; 0: it is refused. */
function taken(list: readonly Buffer[], clean: boolean): number {
  const manifest = Buffer.concat([HEADER, ...list])
  const ends = { length: manifest.length, lastChecksum }
  const current = encodeCurrent({ manifest: 1, ...(clean ? { clean: ends } : {}) })
  const files = new Map([
    [`${DIRECTORY}/CURRENT`, current],
    [`${DIRECTORY}/MANIFEST-000001`, manifest],
  ])
  try {
    return readManifest(imageFileSystem(files), DIRECTORY)?.state.editNumber ?? -1
  } catch (error) {
    if (error instanceof CorruptionError) return 0
    throw error
  }
}

it('takes the edits as they were written', () => {
  expect(taken(edits, true)).toBe(EDITS)
  expect(taken(edits, false)).toBe(EDITS)
})

it('refuses a lost or doubled edit', () => {
  for (let i = 0; i < EDITS; i++) {
    const lost = edits.toSpliced(i, 1)
    expect(taken(lost, true), `${i} lost`).toBe(0)
    // Nothing in the file can tell that its last edit was ever written: the logs' frames do.
    expect(taken(lost, false), `${i} lost`).toBe(i === EDITS - 1 ? EDITS - 1 : 0)
    const doubled = edits.toSpliced(i, 0, edits[i]!)
    expect(taken(doubled, true), `${i} doubled`).toBe(0)
    expect([0, EDITS], `${i} doubled`).toContain(taken(doubled, false))
  }
})

it('refuses two exchanged edits', () => {
  for (let pair = 0; pair < EDITS * EDITS; pair += STEP) {
    const [a, b] = [Math.floor(pair / EDITS), pair % EDITS]
    if (a >= b) continue
    const list = edits.with(a, edits[b]!).with(b, edits[a]!)
    expect(taken(list, true), `${a} and ${b}`).toBe(0)
    expect(taken(list, false), `${a} and ${b}`).toBe(0)
  }
})

it('does not search behind damage for ever', () => {
  const length = 256 * 1024
  const hostile = Buffer.alloc(length)
  for (let at = 0; at + EDIT_HEADER_BYTES < length; at += 24) {
    hostile.writeUInt32LE(EDIT_MAGIC, at + 8)
    // Each claims nearly all that follows, and is none.
    hostile.writeUInt32LE(Math.max(0, length - at - 200), at + 12)
    hostile.writeUInt32LE(EDITS + 5, at + 16)
  }
  const began = process.cpuUsage()
  expect(taken([...edits, hostile], false)).toBe(0)
  expect(process.cpuUsage(began).user).toBeLessThan(5_000_000)
})
