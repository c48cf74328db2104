// A database in memory as plain bytes by name: damaged, put back into a file system, repaired, read.
import { resolveOptions } from '../../src/base/options.ts'
import { openEngine } from '../../src/engine/open.ts'
import type { VerifyReport } from '../../src/engine/verify/report.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { memoryFileSystem } from '../../src/io/memory-file-system.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { type History, makeDatabase, OPTIONS } from './damaged-directories.ts'

export const DIRECTORY = '/db'

export type Image = ReadonlyMap<string, Buffer>

export async function makeImage(
  seed: number,
  keys?: number,
  segments = false,
): Promise<{ image: Image; history: History }> {
  const fs = memoryFileSystem()
  const history = await makeDatabase(DIRECTORY, {
    seed,
    fs,
    segments,
    ...(keys === undefined ? {} : { keys }),
  })
  return { image: imageOf(fs), history }
}

export function imageOf(fs: FileSystem): Map<string, Buffer> {
  const image = new Map<string, Buffer>()
  for (const name of fs.listSync(DIRECTORY)) {
    const path = `${DIRECTORY}/${name}`
    if (fs.statSync(path)?.kind !== 'file') continue
    const file = fs.openSync(path, 'read')
    const bytes = Buffer.alloc(file.sizeSync())
    file.readSync(bytes, 0)
    file.closeSync()
    image.set(name, bytes)
  }
  return image
}

export function place(image: Image): FaultFileSystem {
  const files = new Map([...image].map(([name, bytes]) => [`${DIRECTORY}/${name}`, bytes]))
  return new FaultFileSystem({ files })
}

export interface Found {
  readonly content: ReadonlyMap<string, string>
  readonly verified: VerifyReport
}

/** Opens, reads everything, verifies, closes. */
export async function readAll(fs: FileSystem): Promise<Found> {
  const engine = await openEngine(DIRECTORY, resolveOptions(OPTIONS), { fs })
  try {
    const reader = engine.range({
      keys: true,
      values: true,
      keyForm: 'utf8',
      valueForm: 'utf8',
      version: engine.version,
    })
    const content = new Map<string, string>()
    for (let page = reader.next(1000); page.length > 0; page = reader.next(1000)) {
      for (const [key, value] of page) content.set(key as string, value as string)
    }
    return { content, verified: await engine.verify({}) }
  } finally {
    await engine.close()
  }
}
