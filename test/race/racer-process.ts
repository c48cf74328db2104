// A racer, seen from its parent.
import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { RacerOrder, RacerReply } from './messages.ts'

export class RacerProcess {
  readonly #child: ChildProcess
  readonly #ended: Promise<void>
  #waiting: ((reply: unknown) => void) | undefined
  #failed: ((error: Error) => void) | undefined
  readonly ready: Promise<unknown>

  constructor(program: URL) {
    this.#child = fork(fileURLToPath(program), [], { stdio: 'inherit' })
    this.#child.on('message', (reply) => this.#waiting?.(reply))
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.#failed?.(new Error(`a racer ended by itself (${code ?? signal})`))
        resolve()
      })
    })
    this.ready = this.#reply()
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  order(order: RacerOrder): Promise<RacerReply> {
    const reply = this.#reply()
    this.#child.send(order)
    return reply as Promise<RacerReply>
  }

  signal(name: 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name)
  }

  async kill(): Promise<void> {
    this.#failed = undefined
    this.#child.kill('SIGKILL')
    await this.#ended
  }

  #reply(): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#waiting = resolve
      this.#failed = reject
    })
  }
}
