// Tests that need processes of their own run them compiled: Node 20 runs no TypeScript, and the processes must run the
// built package. Vitest calls `setup` once before the first file that has a process to itself (vitest.config.ts).
import { execFileSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = new URL('../../', import.meta.url)
const folder = new URL('dist/harness/', root)

/** Started again and again, a writer with two threads: one file loads in half the time of a hundred. */
const STARTED_OFTEN = {
  kill: ['writer', 'killing-worker'],
  syscalls: ['faulty-lives', 'openers', 'traced-life'],
}

/** Compiles tests, and what they import, without looking at types: `npm run types` does. */
export async function setup(): Promise<void> {
  const compiler = fileURLToPath(new URL('node_modules/typescript/bin/tsc', root))
  const config = fileURLToPath(new URL('tsconfig.dev.json', root))
  const args = [compiler, '-p', config, '--noCheck', '--outDir', fileURLToPath(folder)]
  execFileSync(process.execPath, args, { stdio: 'inherit' })
  const { build } = await import('rolldown')
  for (const [room, programs] of Object.entries(STARTED_OFTEN)) {
    const dir = fileURLToPath(new URL(`test/${room}`, folder))
    await build({
      input: programs.map((name) => join(dir, `${name}.js`)),
      // Packages stay where they are.
      external: /^[^./]/,
      platform: 'node',
      output: { dir, chunkFileNames: 'shared-[name].js' },
    })
  }
}

/** The folder that mirrors `test/`. */
export function compiledTests(): URL {
  if (!existsSync(new URL('dist/src/index.js', root))) {
    throw new Error('dist/src/index.js is missing: run `npm run build` before these tests.')
  }
  return new URL('test/', folder)
}
