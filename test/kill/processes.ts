// Parent's side of the two child processes: a writer that can be killed at any moment, a verifier kept warm.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import type { Readable } from 'node:stream'
import { fileURLToPath } from 'node:url'
import {
  RECORD,
  RECORD_BYTES,
  type VerifierOrder,
  type VerifierReply,
  type WriterOrder,
} from './messages.ts'

/** What a writer said before it died. */
export interface Progress {
  readonly announced: readonly number[]
  readonly acked: ReadonlySet<number>
  readonly flushed: number
  /** It ended by itself, or reported a rejected commit. */
  readonly failed: boolean
}

/** One writer process, from warm start to SIGKILL. */
export class Writer {
  readonly #child: ChildProcess
  readonly #warm: Promise<unknown>
  readonly #ended: Promise<unknown>
  #rest: Buffer = Buffer.alloc(0)
  #announced: number[] = []
  #acked = new Set<number>()
  #flushed = 0
  #failed = false
  #onReady: () => void = () => undefined

  constructor(program: URL) {
    this.#child = spawn(process.execPath, [fileURLToPath(program)], {
      stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'ipc'],
    })
    this.#warm = once(this.#child, 'message')
    this.#ended = once(this.#child, 'close')
    const progress = this.#child.stdio[3] as Readable
    progress.on('data', (bytes: Buffer) => this.#read(bytes))
  }

  /** Starts writing; resolves when the database is open, or after `limitMs`, or when the writer died. */
  async start(order: WriterOrder, limitMs: number): Promise<void> {
    await this.#warm
    const ready = new Promise<void>((resolve) => {
      this.#onReady = resolve
    })
    this.#child.send(order)
    const timer = new AbortController()
    const limit = new Promise((resolve) => {
      const handle = setTimeout(resolve, limitMs)
      timer.signal.addEventListener('abort', () => clearTimeout(handle))
    })
    await Promise.race([ready, this.#ended, limit])
    timer.abort()
  }

  async kill(): Promise<Progress> {
    const alive = this.#child.exitCode === null && this.#child.signalCode === null
    this.#child.kill('SIGKILL')
    await this.#ended
    const [announced, acked, flushed] = [this.#announced, this.#acked, this.#flushed]
    return { announced, acked, flushed, failed: this.#failed || !alive }
  }

  #read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    for (; at + RECORD_BYTES <= all.length; at += RECORD_BYTES) {
      const number = all.readUInt32LE(at + 1)
      const kind = all[at]
      if (kind === RECORD.ready) this.#onReady()
      else if (kind === RECORD.announced) this.#announced.push(number)
      else if (kind === RECORD.acked) this.#acked.add(number)
      else if (kind === RECORD.flushed) this.#flushed++
      else this.#failed = true
    }
    this.#rest = all.subarray(at)
  }
}

interface Answer {
  resolve(reply: VerifierReply): void
  reject(error: Error): void
}

/** The third process; one at a time, kept warm over the cycles. */
export class Verifier {
  readonly #child: ChildProcess
  #answer: Answer | undefined

  constructor(program: URL) {
    this.#child = spawn(process.execPath, [fileURLToPath(program)], {
      stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
      serialization: 'advanced',
    })
    this.#child.on('message', (reply: VerifierReply) => this.#answer?.resolve(reply))
    this.#child.on('exit', () => this.#answer?.reject(new Error('the verifier process died')))
  }

  verify(order: VerifierOrder): Promise<VerifierReply> {
    return new Promise((resolve, reject) => {
      this.#answer = { resolve, reject }
      this.#child.send(order)
    })
  }

  async end(): Promise<void> {
    const exited = once(this.#child, 'exit')
    this.#child.disconnect()
    await exited
  }
}
