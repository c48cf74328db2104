// Runs test files of a copy in a process of its own, and tells what came of it. Ends all it started, also when it is
// interrupted.
import { spawn } from 'node:child_process'
import { existsSync, readFileSync, realpathSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'

export interface TestOrder {
  readonly root: string
  readonly files: readonly string[]
  /** Of all random choices in the tests. */
  readonly seed: number
  /** Test files at a time. */
  readonly processes: number
  readonly limitMs: number
  readonly signal: AbortSignal
}

/** 'broken': a file did not load, so no test of it could fail. 'late': it took too long. */
export interface TestOutcome {
  readonly kind: 'passed' | 'failed' | 'broken' | 'late'
  /** The first failure: file and test, or what was printed last. */
  readonly first: string
}

interface Report {
  readonly testResults: readonly {
    /** Path of the file. */
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly fullName: string; readonly status: string }[]
  }[]
}

const REPORT = 'test-report.json'
/** Of what a process printed, the end is kept. */
const PRINTED_MOST = 4_000

/** Stops at the first failing test. */
export async function runTests(order: TestOrder): Promise<TestOutcome> {
  const { root, files, seed, processes } = order
  const report = join(root, REPORT)
  rmSync(report, { force: true })
  const program = join(root, 'node_modules/vitest/vitest.mjs')
  const flags = [
    '--bail=1',
    `--maxWorkers=${processes}`,
    '--reporter=json',
    `--outputFile=${report}`,
  ]
  const seeds = Object.fromEntries(SEEDS.map((name) => [name, String(seed)]))
  const { code, printed } = await run([program, 'run', ...files, ...flags], order, seeds)
  if (code === undefined) return { kind: 'late', first: `no end within ${order.limitMs / 1000} s` }
  if (code === 0) return { kind: 'passed', first: '' }
  if (!existsSync(report)) return { kind: 'broken', first: printed }
  return failureOf(realpathSync(root), JSON.parse(readFileSync(report, 'utf8')) as Report, printed)
}

/** Of the tests that choose at random. */
const SEEDS = ['SETT_CRASH_SEED', 'SETT_TRACE_SEED', 'SETT_CORRUPT_SEED']

function failureOf(root: string, { testResults }: Report, printed: string): TestOutcome {
  for (const { name, assertionResults } of testResults) {
    const test = assertionResults.find(({ status }) => status === 'failed')
    if (test === undefined) continue
    return { kind: 'failed', first: `${relative(root, name)}: ${test.fullName.trim()}` }
  }
  const file = testResults.find(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  )
  if (file !== undefined)
    return { kind: 'broken', first: `${relative(root, file.name)}: ${printed}` }
  return { kind: 'failed', first: 'an error outside of a test' }
}

/** What `npm run build` makes for the engine; throws what the compiler said. */
export async function build(order: Omit<TestOrder, 'files' | 'seed' | 'processes'>): Promise<void> {
  rmSync(join(order.root, 'dist'), { recursive: true, force: true })
  const compiler = join(order.root, 'node_modules/typescript/bin/tsc')
  for (const step of [[compiler, '-p', 'tsconfig.build.json'], ['workers/bundle.mjs']]) {
    const { code, printed } = await run(step, order, {})
    if (code !== 0) throw new Error(`it does not build: ${printed}`)
  }
}

interface Ended {
  /** undefined: it was ended for taking too long. */
  readonly code: number | undefined
  readonly printed: string
}

/** Runs a program of Node's; it and its children end with the signal. */
function run(
  args: readonly string[],
  { root, limitMs, signal }: Pick<TestOrder, 'root' | 'limitMs' | 'signal'>,
  env: Readonly<Record<string, string>>,
): Promise<Ended> {
  signal.throwIfAborted()
  return new Promise((resolve, reject) => {
    // A group of its own, so that its children can be ended with it.
    const child = spawn(process.execPath, args, {
      cwd: root,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: true,
    })
    let printed = ''
    const keep = (text: string): void => {
      printed = (printed + text).slice(-PRINTED_MOST)
    }
    child.stdout.setEncoding('utf8').on('data', keep)
    child.stderr.setEncoding('utf8').on('data', keep)
    const end = (): void => {
      const runs = child.exitCode === null && child.signalCode === null
      if (child.pid !== undefined && runs) process.kill(-child.pid, 'SIGKILL')
    }
    let late = false
    const timer = setTimeout(() => {
      late = true
      end()
    }, limitMs)
    signal.addEventListener('abort', end, { once: true })
    const settle = (): void => {
      clearTimeout(timer)
      signal.removeEventListener('abort', end)
    }
    child.once('error', (error) => {
      settle()
      reject(error)
    })
    child.once('close', (code) => {
      settle()
      if (signal.aborted) reject(signal.reason)
      else resolve({ code: late ? undefined : (code ?? 1), printed })
    })
  })
}
