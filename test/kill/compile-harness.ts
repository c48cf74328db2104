// Tests that need processes of their own compile the harness first: Node 20 runs no TypeScript, and the processes
// must run the built package. Each caller has its own folder below dist/, so files can run side by side.
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)

/** Compiles to `dist/<name>/` and returns the folder that mirrors `test/`. */
export function compileHarness(name: string): URL {
  if (!existsSync(new URL('dist/src/index.js', root))) {
    throw new Error('dist/src/index.js is missing: run `npm run build` before these tests.')
  }
  const outDir = new URL(`dist/${name}/`, root)
  const compiler = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root))
  const config = fileURLToPath(new URL('tsconfig.dev.json', root))
  const args = [compiler, '-p', config, '--outDir', fileURLToPath(outDir)]
  execFileSync(process.execPath, args, { stdio: 'inherit' })
  return new URL('test/', outDir)
}
