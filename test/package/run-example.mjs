// Runs one folder of examples/ as its reader would: `main.mjs`, `main.js`, or `main.ts` compiled first. Data that an
// example writes lands in a temporary folder, which is its working directory.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const folder = resolve(root, process.argv[2] ?? '')
const TIMEOUT_MS = 120_000

function run(script, cwd) {
  execFileSync(process.execPath, [script], {
    cwd,
    stdio: ['ignore', 'inherit', 'inherit'],
    timeout: TIMEOUT_MS,
  })
}

/** Compiled below dist/, where `sett` still means this package. */
function compile(source) {
  const outDir = join(root, 'dist/examples')
  const compiler = join(root, 'node_modules/typescript/bin/tsc')
  const options =
    '--ignoreConfig --module nodenext --target es2023 --lib es2024,esnext.disposable --types node ' +
    '--rewriteRelativeImportExtensions --allowImportingTsExtensions --strict --skipLibCheck'
  const places = ['--rootDir', root, '--outDir', join(root, 'dist'), source]
  execFileSync(process.execPath, [compiler, ...options.split(' '), ...places], {
    cwd: root,
    stdio: ['ignore', 'inherit', 'inherit'],
  })
  return source.replace(join(root, 'examples'), outDir).replace(/\.ts$/, '.js')
}

const source = ['main.mjs', 'main.js', 'main.ts']
  .map((name) => join(folder, name))
  .find((path) => existsSync(path))
if (source === undefined) throw new Error(`${folder} has no main.mjs, main.js or main.ts`)
const script = source.endsWith('.ts') ? compile(source) : source
const data = mkdtempSync(join(tmpdir(), 'sett-example-'))
try {
  run(script, data)
} finally {
  rmSync(data, { recursive: true, force: true })
}
