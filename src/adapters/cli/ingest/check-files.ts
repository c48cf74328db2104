// Reads every stored file back and compares digests, then counts keys folder by folder with range scans.
import type { Database } from '../../../api/database.ts'
import { afterPrefix } from '../text-form.ts'
import { digestOf, newDigest } from './digest.ts'
import { type StoredFile, WHOLE_BYTES } from './store-files.ts'

export interface CheckJob {
  readonly database: Database<Buffer, Buffer>
  readonly stored: readonly StoredFile[]
  readonly onProgress: (files: number, bytes: number) => void
  readonly stopped: () => boolean
}

export interface Checked {
  readonly files: number
  readonly bytes: number
  readonly missing: number
  readonly different: number
}

export async function checkFiles(job: CheckJob): Promise<Checked> {
  let bytes = 0
  let files = 0
  let missing = 0
  let different = 0
  for (const file of job.stored) {
    if (job.stopped()) break
    const found = await (file.size > WHOLE_BYTES ? digestStream : digestValue)(job, file)
    files++
    if (found === undefined) {
      missing++
      continue
    }
    bytes += found.size
    if (!found.digest.equals(file.digest)) different++
    job.onProgress(files, bytes)
  }
  return { files, bytes, missing, different }
}

type Found = Pick<StoredFile, 'digest' | 'size'>

async function digestValue(
  { database }: CheckJob,
  { key }: StoredFile,
): Promise<Found | undefined> {
  const value = await database.get(key)
  return value && { digest: await digestOf(value), size: value.length }
}

async function digestStream(
  { database }: CheckJob,
  { key }: StoredFile,
): Promise<Found | undefined> {
  const value = await database.getStream(key)
  if (value === undefined) return undefined
  const digest = newDigest()
  let size = 0
  for await (const piece of value) {
    digest.update(piece as Buffer)
    size += (piece as Buffer).length
  }
  return { digest: digest.digest(), size }
}

export interface Folder {
  /** Name as text; `.` for files that lie in no folder. */
  readonly name: string
  readonly expected: number
  readonly found: number
}

const SLASH = 0x2f
const PAGE = 1000

/** Top-level folders, largest first. A fresh database must hold exactly what was stored. */
export async function countFolders(
  database: Database<Buffer, Buffer>,
  stored: readonly StoredFile[],
): Promise<Folder[]> {
  const expected = new Map<string, number>()
  for (const { key } of stored) {
    const name = key.subarray(0, Math.max(0, key.indexOf(SLASH))).toString('latin1')
    expected.set(name, (expected.get(name) ?? 0) + 1)
  }
  const folders: Folder[] = []
  for (const [name, wanted] of expected) {
    const prefix = name === '' ? undefined : Buffer.from(`${name}/`, 'latin1')
    const found = prefix === undefined ? wanted : await countPrefix(database, prefix)
    const shown = prefix === undefined ? '.' : prefix.subarray(0, -1).toString('utf8')
    folders.push({ name: shown, expected: wanted, found })
  }
  return folders.sort((a, b) => b.found - a.found || (a.name < b.name ? -1 : 1))
}

async function countPrefix(database: Database<Buffer, Buffer>, prefix: Buffer): Promise<number> {
  const after = afterPrefix(prefix)
  const keys = database.keys({ gte: prefix, ...(after === undefined ? {} : { lt: after }) })
  let found = 0
  try {
    for (let page = await keys.nextv(PAGE); page.length > 0; page = await keys.nextv(PAGE)) {
      found += page.length
    }
  } finally {
    await keys.close()
  }
  return found
}
