// `npm run format:keep`: writes the database of this format version into test/format-versions/, once. What is kept is
// never written again: it is what people have on their disks.
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { open } from 'sett'
import { FORMAT_VERSION } from '../../src/base/limits.ts'
import { expectedContent, fill, KEPT_OPTIONS } from './kept-database.ts'

const kept = fileURLToPath(
  new URL(`../../../../test/format-versions/version-${FORMAT_VERSION}/`, import.meta.url),
)
if (existsSync(kept)) {
  throw new Error(`${kept} is there. What is kept stays as it is; a new format has a new version.`)
}
const folder = mkdtempSync(join(tmpdir(), 'sett-keep-'))
const directory = join(folder, 'db')
try {
  const database = await open(directory, KEPT_OPTIONS)
  await fill(database)
  // Every commit is on disk, so this is what a kill at this moment leaves.
  copy('killed')
  await database.close()
  copy('closed')
  writeFileSync(join(kept, 'content.txt'), await expectedContent())
} finally {
  rmSync(folder, { recursive: true })
}
console.log(`kept ${readdirSync(kept).join(', ')} in ${kept}`)

/** LOCK belongs to a process, not to the database. */
function copy(name: string): void {
  const target = join(kept, name)
  mkdirSync(target, { recursive: true })
  for (const file of readdirSync(directory)) {
    if (file !== 'LOCK') cpSync(join(directory, file), join(target, file))
  }
}
