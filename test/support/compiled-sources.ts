// Child processes and worker threads of unit tests need JavaScript: Node 20 runs no TypeScript, and a unit
// test does not wait for the build. Compiles sources, with what they import, into a folder of the caller's.
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const OPTIONS =
  '--ignoreConfig --module nodenext --target es2023 --rewriteRelativeImportExtensions --types node --noCheck'

/** `sources` are relative to the repository; the folder then mirrors it. */
export function compileSources(folder: string, sources: readonly string[]): void {
  writeFileSync(join(folder, 'package.json'), '{"type":"module"}')
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const places = ['--rootDir', root, '--outDir', folder]
  execFileSync(process.execPath, [compiler, ...OPTIONS.split(' '), ...places, ...sources], {
    cwd: root,
    stdio: 'inherit',
  })
}
