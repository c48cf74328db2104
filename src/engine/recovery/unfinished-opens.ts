// Removes what earlier opens left that a crash cut short: each leaves a manifest and a log, which would pile up where a
// process dies again and again while it opens. Main thread, while a database opens.
import { join } from 'node:path'
import { manifestPath, parseFileName } from '../../io/file-names.ts'
import type { FileSystem } from '../../io/file-system.ts'
import type { ManifestState } from '../../manifest/apply-edit.ts'
import { writeAgain } from '../disk/write-again.ts'
import type { Foundation } from '../foundation.ts'

/** Before this open adds its own: all but the newest, whose number must not be given out again. False: there are
 * none. */
export async function sweepUnfinishedOpens(foundation: Foundation): Promise<boolean> {
  const { environment, directory, manifest, manifestNumber } = foundation
  const { fs } = environment
  const leftovers = leftoversOf(fs, directory, { number: manifestNumber, state: manifest })
  const older = leftovers.slice(0, -1)
  if (older.length > 0) {
    // What was read may not be durable: a power cut could bring back a state that names these files.
    if (manifestNumber > 0) await makeManifestDurable(foundation)
    await fs.syncDirectory(directory)
  }
  for (const name of older) await fs.remove(join(directory, name))
  return leftovers.length > 0
}

/** Once the manifest of this open is durable: the rest, and what that manifest made superfluous. */
export async function sweepTheRest(
  { environment, directory }: Foundation,
  current: { readonly number: number; readonly state: ManifestState },
): Promise<void> {
  const { fs } = environment
  for (const name of leftoversOf(fs, directory, current)) await fs.remove(join(directory, name))
  // Or a power cut could bring them back beside the log that comes next.
  await fs.syncDirectory(directory)
}

/** Manifests and logs that do not count, lowest number first. Tables are not looked for: they may be large, and no
 * open begins with one. */
function leftoversOf(
  fs: FileSystem,
  directory: string,
  { number, state }: { readonly number: number; readonly state: ManifestState },
): string[] {
  const logs = new Set(state.wals.map((wal) => wal.number))
  const leftovers = fs.listSync(directory).flatMap((name) => {
    const file = parseFileName(name)
    const left =
      (file?.kind === 'wal' && !logs.has(file.number)) ||
      (file?.kind === 'manifest' && file.number !== number)
    return left ? [{ name, number: file.number }] : []
  })
  return leftovers.sort((a, b) => a.number - b.number).map(({ name }) => name)
}

async function makeManifestDurable(foundation: Foundation): Promise<void> {
  const { environment, directory, manifestNumber, syncFile } = foundation
  const file = environment.fs.openSync(manifestPath(directory, manifestNumber), 'update')
  try {
    await writeAgain(file, 0, file.sizeSync())
    await syncFile(file)
  } finally {
    file.closeSync()
  }
}
