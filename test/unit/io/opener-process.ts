// A process that takes directory locks on order (lock-opener.ts), seen from the test. The openers are compiled once per
// test file.
import { type ChildProcess, fork } from 'node:child_process'
import { join } from 'node:path'
import { beforeAll, onTestFinished } from 'vitest'
import { compileSources } from '../../support/compiled-sources.ts'
import { sharedTemporaryDirectory } from '../../support/temp-directory.ts'
import type { OpenerOrder, OpenerReport } from './lock-opener.ts'

/** Path of the program; call it outside of tests. */
export function compiledOpener(): string {
  const folder = sharedTemporaryDirectory()
  beforeAll(() => compileSources(folder, ['test/unit/io/lock-opener.ts']))
  return join(folder, 'test/unit/io/lock-opener.js')
}

export class OpenerProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>

  private constructor(program: string, runtime: string) {
    this.#child = fork(program, [], { stdio: 'inherit', execPath: runtime })
    this.#ended = new Promise((resolve) => this.#child.once('exit', () => resolve()))
    onTestFinished(() => void this.#child.kill('SIGKILL'))
  }

  static async start(program: string, runtime: string = process.execPath): Promise<OpenerProcess> {
    const started = new OpenerProcess(program, runtime)
    await started.#message()
    return started
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  order(order: OpenerOrder): Promise<OpenerReport> {
    this.#child.send(order)
    return this.#message() as Promise<OpenerReport>
  }

  letGo(): Promise<void> {
    this.#child.send('release')
    return this.#ended
  }

  kill(): Promise<void> {
    this.#child.kill('SIGKILL')
    return this.#ended
  }

  #message(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#child.once('message', resolve)
      this.#child.once('exit', (code) => reject(new Error(`the opener ended with ${code}`)))
    })
  }
}
