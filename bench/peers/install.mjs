// `npm run bench:peers`: installs the stores Sett is measured beside into this folder and tells of each whether it
// loads. No install script runs but better-sqlite3's, which has no binary in its package: it fetches or compiles one.
// msgpackr-extract, which lmdb never needs here, is held (package.json, overrides) at the newest version that is
// published for every platform, so that the lock file is complete. Ends with 0 even when some do not load (the bench
// leaves those out and says so), with 1 when npm itself failed.
import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const FOLDER = fileURLToPath(new URL('.', import.meta.url))
const COMPILED = 'better-sqlite3'
/** Run in a process of its own, so that no module that failed is remembered. */
const PROBES = { [COMPILED]: `new (require('${COMPILED}'))(':memory:').close()` }
const LINES_OF_A_FAILURE = 12

function npm(...args) {
  const windows = process.platform === 'win32'
  const command = windows ? 'npm.cmd' : 'npm'
  const options = { cwd: FOLDER, encoding: 'utf8', shell: windows, maxBuffer: 2 ** 28 }
  return spawnSync(command, [...args, '--no-audit', '--no-fund'], options)
}

function complaintsOf({ stdout, stderr, error }) {
  const text = error?.message ?? `${stdout}\n${stderr}`
  const lines = text.split('\n').filter((line) => /error|ERR!|fatal/i.test(line))
  return lines.slice(0, LINES_OF_A_FAILURE).join('\n')
}

/** Undefined: it loads; else why not, in one line. */
function failureOf(name) {
  const code = PROBES[name] ?? `require('${name}')`
  const { status, signal, stderr } = spawnSync(process.execPath, ['-e', code], {
    cwd: FOLDER,
    encoding: 'utf8',
  })
  if (status === 0) return undefined
  const told = stderr.split('\n').find((line) => /^\w*Error\b/.test(line))
  return told ?? `its process ended with ${status ?? signal}`
}

function compile(name) {
  console.log(`${name}: fetching its binary, or compiling it (1 to 2 minutes)`)
  const rebuilt = npm('rebuild', name, '--ignore-scripts=false', '--foreground-scripts')
  if (rebuilt.status === 0) return
  console.log(complaintsOf(rebuilt))
  console.log(
    `${name} could not be compiled. It takes Python, make, a C++ compiler and the headers of Node: node-gyp fetches ` +
      'them from nodejs.org; where that is out of reach, set npm_config_nodedir to a folder that holds include/node.',
  )
}

console.log(`Installing the peers into ${FOLDER}`)
const installed = npm('ci', '--ignore-scripts')
if (installed.status !== 0) {
  console.error(complaintsOf(installed))
  console.error('npm ci failed: no peer was installed. Is the package registry within reach?')
  process.exit(1)
}
if (failureOf(COMPILED) !== undefined) compile(COMPILED)

const { dependencies } = JSON.parse(readFileSync(join(FOLDER, 'package.json'), 'utf8'))
for (const [name, version] of Object.entries(dependencies)) {
  const failure = failureOf(name)
  const said = failure === undefined ? 'loads' : `does not load and is left out: ${failure}`
  console.log(`${name} ${version}: ${said}`)
}
