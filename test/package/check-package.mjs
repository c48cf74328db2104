// The package as a user gets it: packed, installed into an empty folder, imported, required, type-checked and
// started. Run by `npm run test:package`; needs a build in dist/ and npm's registry for the dependencies.
import { execFileSync } from 'node:child_process'
import { copyFileSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const fixtures = fileURLToPath(new URL('./fixtures/', import.meta.url))
const manifest = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
const folder = mkdtempSync(join(tmpdir(), 'sett-package-'))
const npm = process.platform === 'win32' ? 'npm.cmd' : 'npm'
const PACKED_BYTES_MAX = 2_000_000
const REQUIRED = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'dist/src/index.js',
  'dist/src/index.d.ts',
  'dist/workers/background.js',
  'dist/workers/sync.js',
  ...Object.values(manifest.bin ?? {}).map((path) => path.replace('./', '')),
]
const WELCOME = [
  /^(package\.json|README\.md|LICENSE|CHANGELOG\.md)$/,
  /^docs\/[\w./-]+\.(md|txt|svg|png)$/,
  /^dist\/(src|workers)\/[\w./-]+\.(js|d\.ts)$/,
]

function run(command, args, cwd = folder) {
  return execFileSync(command, args, {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'pipe', 'inherit'],
    shell: process.platform === 'win32',
  })
}

function node(...args) {
  return run(process.execPath, args)
}

function expectEqual(what, found, expected) {
  if (found !== expected) throw new Error(`${what}: found ${found}, expected ${expected}`)
}

function step(what, action) {
  const started = performance.now()
  action()
  console.log(`package: ${what} (${Math.round(performance.now() - started)} ms)`)
}

let tarball = ''

function checkScripts() {
  const hooks = ['preinstall', 'install', 'postinstall', 'prepare', 'prepublish']
  const found = hooks.filter((hook) => Object.hasOwn(manifest.scripts, hook))
  expectEqual('scripts that run on install', found.join(), '')
}

function checkContents() {
  if (!existsSync(join(root, 'dist/src/index.js'))) {
    throw new Error('dist/src/index.js is missing. Run `npm run build` first')
  }
  const [packed] = JSON.parse(
    run(npm, ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], root),
  )
  const paths = packed.files.map((file) => file.path)
  expectEqual('missing files', REQUIRED.filter((path) => !paths.includes(path)).join(), '')
  const strangers = paths.filter((path) => !WELCOME.some((pattern) => pattern.test(path)))
  expectEqual('files that have no place in the package', strangers.join(), '')
  if (packed.size > PACKED_BYTES_MAX) throw new Error(`the package has ${packed.size} bytes`)
  console.log(`package: ${paths.length} files, ${packed.size} bytes packed`)
  tarball = join(folder, packed.filename)
}

function install() {
  writeFileSync(join(folder, 'package.json'), '{ "name": "consumer", "private": true }')
  run(npm, ['install', '--no-audit', '--no-fund', '--ignore-scripts', '--prefer-offline', tarball])
}

function checkUse() {
  for (const name of ['imports.mjs', 'requires.cjs', 'types.mts', 'types-of-require.cts']) {
    copyFileSync(join(fixtures, name), join(folder, name))
  }
  expectEqual('import', node('imports.mjs').trim(), 'hello from import')
  expectEqual('require', node('requires.cjs').trim(), 'hello from require')
}

function checkTypes() {
  const options = {
    module: 'nodenext',
    target: 'es2023',
    lib: ['ES2024', 'ESNext.Disposable', 'DOM'],
    strict: true,
    noEmit: true,
    exactOptionalPropertyTypes: true,
    types: ['node'],
    typeRoots: [join(root, 'node_modules/@types')],
  }
  const config = { compilerOptions: options, files: ['types.mts', 'types-of-require.cts'] }
  writeFileSync(join(folder, 'tsconfig.json'), JSON.stringify(config))
  node(join(root, 'node_modules/typescript/bin/tsc'), '-p', '.')
}

function checkCommand() {
  const command = join(folder, 'node_modules/.bin/sett')
  expectEqual('sett --version', run(command, ['--version']).trim(), manifest.version)
}

try {
  step('no script runs on install', checkScripts)
  step('holds what it should and nothing else', checkContents)
  step('passes publint', () =>
    node(join(root, 'node_modules/publint/src/cli.js'), 'run', tarball, '--strict'),
  )
  step('installs into an empty folder', install)
  step('can be imported and required', checkUse)
  step('has types that hold without skipLibCheck', checkTypes)
  step('brings its command', checkCommand)
} finally {
  rmSync(folder, { recursive: true, force: true })
}
