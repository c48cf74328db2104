// A measured process as its parent sees it: asked for one slice at a time, ended or killed, and never silent about
// why it failed.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import type { SampleOrder, SliceOrder, SliceReport } from './sample.ts'

const SAMPLE = fileURLToPath(new URL('./sample.js', import.meta.url))
/** Of a whole process; a slice takes a few dozen ms. */
const TIMEOUT_MS = 300_000
const STDERR_KEPT = 2_000
const EARLY = new Error('a measured process ended before its last slice')

export class SampleProcess {
  readonly #child: ChildProcess
  /** Never rejects: why the process failed, or undefined when it ended well. */
  readonly #ended: Promise<Error | undefined>

  constructor(order: SampleOrder, signal: AbortSignal) {
    this.#child = fork(SAMPLE, [JSON.stringify(order)], {
      execArgv: [],
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      signal,
      timeout: TIMEOUT_MS,
      killSignal: 'SIGKILL',
    })
    let stderr = ''
    this.#child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      stderr = (stderr + text).slice(-STDERR_KEPT)
    })
    this.#ended = new Promise((resolve) => {
      this.#child.once('error', resolve)
      this.#child.once('close', (code, killedBy) => {
        if (code === 0) return resolve(undefined)
        const what = `${order.workload} with the build in ${order.root}`
        const limit = `it may take ${TIMEOUT_MS / 1000} s`
        const how = killedBy === null ? `exit code ${code}` : `killed by ${killedBy}; ${limit}`
        resolve(new Error(`${what} failed (${how}):\n${stderr.trim()}`))
      })
    })
  }

  /** Once it has opened its workload. */
  async opened(): Promise<void> {
    await this.#report()
  }

  /** µs of CPU per operation. */
  async slice(): Promise<number> {
    const report = this.#report()
    this.#order('slice')
    const cost = await report
    if (cost === 'open') throw new Error('a slice was answered without a figure')
    return cost
  }

  /** Lets it close its database, and waits for its end. */
  async end(): Promise<void> {
    this.#order('close')
    const failure = await this.#ended
    if (failure !== undefined) throw failure
  }

  /** Resolves once it is gone, so that its files can be removed. */
  async kill(): Promise<void> {
    const { exitCode, signalCode, pid } = this.#child
    if (pid === undefined || exitCode !== null || signalCode !== null) return
    this.#child.kill('SIGKILL')
    await once(this.#child, 'exit')
  }

  #order(order: SliceOrder): void {
    if (this.#child.connected) this.#child.send(order)
  }

  async #report(): Promise<SliceReport> {
    const report = new Promise<SliceReport>((resolve) => {
      this.#child.once('message', (message) =>
        resolve(typeof message === 'number' ? message : 'open'),
      )
    })
    const first = await Promise.race([report, this.#ended.then((failure) => failure ?? EARLY)])
    if (first instanceof Error) throw first
    return first
  }
}
