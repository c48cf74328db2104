// The conformance suite on every runtime somebody may have: each Node release line, Deno and Bun, fetched from npm into
// a folder for temporary files. Run by `npm run test:nodes`, or with some of the names below; needs a build in dist/.
// The Node lines must pass. Deno and Bun are shown as they are.
import { spawn } from 'node:child_process'
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../../', import.meta.url))
const program = fileURLToPath(new URL('./conformance-program.mjs', import.meta.url))
const cache = join(tmpdir(), 'sett-runtimes')
const windows = process.platform === 'win32'
const exe = windows ? '.exe' : ''
/** A thousand databases are opened; in memory that takes a third of the time. */
const base = existsSync('/dev/shm') ? '/dev/shm' : tmpdir()
/** As in test/level/conformance.ts. */
const ASSERTIONS = 5168
const TIMEOUT_MS = 10 * 60_000
const VERSION_TIMEOUT_MS = 60_000

/** npm's package `node` fetches one of these by a script; this does the same without scripts. */
function nodePackage() {
  const { platform, arch } = process
  const prefix = platform === 'darwin' && arch === 'arm64' ? 'node-bin' : 'node'
  return `${prefix}-${windows ? 'win' : platform}-${arch}`
}

function nodeLine(major) {
  return {
    name: `node${major}`,
    title: 'Node.js',
    spec: `${nodePackage()}@${major}`,
    required: true,
    binaries: (modules) => [join(modules, nodePackage(), `bin/node${exe}`)],
    arguments: [],
  }
}

/** Packages of one scope, of which npm installs those for this platform. */
function scoped(modules, scope, binary) {
  const folder = join(modules, scope)
  return existsSync(folder) ? readdirSync(folder).map((each) => join(folder, each, binary)) : []
}

const RUNTIMES = [
  ...[20, 22, 24, 26].map(nodeLine),
  {
    name: 'deno',
    title: 'Deno',
    spec: 'deno@latest',
    required: false,
    binaries: (modules) => scoped(modules, '@deno', `deno${exe}`),
    arguments: ['run', '--allow-all', '--no-lock'],
  },
  {
    name: 'bun',
    title: 'Bun',
    spec: 'bun@latest',
    required: false,
    binaries: (modules) => scoped(modules, '@oven', `bin/bun${exe}`),
    arguments: [],
  },
]

/** Exit code and output; the lines of the output are handed on as they come. */
function run(command, args, { timeout, cwd = root, line = () => undefined, shell = false }) {
  return new Promise((resolve) => {
    const env = { ...process.env, NODE_OPTIONS: '', NO_COLOR: '1' }
    const child = spawn(command, args, { cwd, env, shell, timeout, killSignal: 'SIGKILL' })
    let stdout = ''
    let stderr = ''
    createInterface({ input: child.stdout }).on('line', (text) => {
      stdout += `${text}\n`
      line(text)
    })
    child.stderr.setEncoding('utf8').on('data', (text) => {
      stderr = (stderr + text).slice(-4_000)
    })
    child.on('error', (error) => resolve({ code: error.code, stdout, stderr: error.message }))
    child.on('close', (code, signal) => resolve({ code: code ?? signal, stdout, stderr }))
  })
}

/** `folder/node_modules` holds the newest version that `spec` allows. */
async function install(name, spec) {
  const folder = join(cache, name)
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "private": true }')
  const flags = ['--no-save', '--no-package-lock', '--no-audit', '--no-fund', '--ignore-scripts']
  const npm = windows ? 'npm.cmd' : 'npm'
  const place = { cwd: folder, timeout: TIMEOUT_MS, shell: windows }
  const { code, stderr } = await run(npm, ['install', ...flags, spec], place)
  if (code !== 0) throw new Error(`npm install ${spec}: ${lastLines(stderr)}`)
  return join(folder, 'node_modules')
}

function lastLines(text) {
  return text.trim().split('\n').slice(-5).join('\n')
}

/** Several may be installed for one system, such as one for each C library: the first that starts. */
async function startable(runtime, modules) {
  let why = `${runtime.spec} brings no program for ${process.platform} ${process.arch}`
  for (const binary of runtime.binaries(modules)) {
    const { code, stdout, stderr } = await run(binary, ['--version'], {
      timeout: VERSION_TIMEOUT_MS,
    })
    const version = /\d+\.\d+\.\d+/.exec(stdout)
    if (code === 0 && version !== null) return { binary, version: version[0] }
    why = `${binary} does not start: ${lastLines(stderr)}`
  }
  throw new Error(why)
}

async function conformance(runtime, binary, workers) {
  const started = performance.now()
  const last = { passed: 0, failed: 0, done: false, errors: [] }
  const line = (text) => {
    const told = text.startsWith('{') ? JSON.parse(text) : {}
    if (told.error !== undefined) last.errors.push(told.error)
    else Object.assign(last, told)
  }
  const folder = mkdtempSync(join(base, 'sett-conformance-'))
  const given = [join(root, 'dist/src/index.js'), tape, workers, folder]
  const args = [...runtime.arguments, program, ...given]
  const { code, stderr } = await run(binary, args, { timeout: TIMEOUT_MS, line })
  rmSync(folder, { recursive: true, force: true })
  if (!last.done)
    last.errors.push(
      `ended early (${code}; it may take ${TIMEOUT_MS / 60_000} min): ${lastLines(stderr)}`,
    )
  const ok = code === 0 && last.done && last.failed === 0 && last.passed === ASSERTIONS
  return { ...last, ok, seconds: (performance.now() - started) / 1000 }
}

async function check(runtime) {
  try {
    const { binary, version } = await startable(runtime, await install(runtime.name, runtime.spec))
    const threads = await conformance(runtime, binary, '2')
    const inline = await conformance(runtime, binary, '0')
    return { runtime, version, threads, inline, errors: [...threads.errors, ...inline.errors] }
  } catch (error) {
    return { runtime, version: '–', errors: [error.message] }
  }
}

function row({ runtime, version, threads, inline, errors }) {
  const passed = (part) => (part === undefined ? '–' : `${part.passed} of ${ASSERTIONS}`)
  const seconds = (part) => (part === undefined ? '–' : `${part.seconds.toFixed(0)} s`)
  const ok = threads?.ok === true && inline?.ok === true
  const remark = ok
    ? 'passes'
    : `FAILS, ${errors.length} ${errors.length === 1 ? 'error' : 'errors'}`
  return [
    ...[runtime.title, version, passed(threads), passed(inline)],
    ...[seconds(threads), seconds(inline), remark],
  ]
}

function print(rows) {
  const widths = rows[0].map((_, at) => Math.max(...rows.map((cells) => cells[at].length)))
  for (const cells of rows) console.log(cells.map((cell, at) => cell.padEnd(widths[at])).join('  '))
}

const known = RUNTIMES.map(({ name }) => name)
const wanted = process.argv.slice(2)
const unknown = wanted.filter((name) => !known.includes(name))
if (unknown.length > 0) {
  console.error(`no runtime is called ${unknown.join(', ')}; known: ${known.join(', ')}`)
  process.exit(2)
}
if (!existsSync(join(root, 'dist/src/index.js'))) {
  console.error('dist/src/index.js is missing. Run `npm run build` first')
  process.exit(1)
}
const tapeModules = await install('tape', 'tape@5')
const tapeManifest = JSON.parse(readFileSync(join(tapeModules, 'tape/package.json'), 'utf8'))
const tape = join(tapeModules, 'tape', tapeManifest.main)

const results = []
for (const runtime of RUNTIMES) {
  if (wanted.length > 0 && !wanted.includes(runtime.name)) continue
  console.error(`${runtime.name} …`)
  results.push(await check(runtime))
}
const heads = ['runtime', 'version', 'with workers', 'workers: 0', 'took', 'took', 'remark']
print([heads, ...results.map(row)])
for (const { runtime, version, errors } of results) {
  if (errors.length > 0) console.log(`\n${runtime.title} ${version}, first error:\n${errors[0]}`)
}
const passes = ({ threads, inline }) => threads?.ok === true && inline?.ok === true
process.exitCode = results.every((each) => passes(each) || !each.runtime.required) ? 0 : 1
