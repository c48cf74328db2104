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

/** How a process ended that nobody killed. */
export interface OwnEnd {
  readonly code: number | null
  readonly signal: string | null
}

/** What a writer said before it died. */
export interface Progress {
  readonly announced: readonly number[]
  readonly acked: ReadonlySet<number>
  readonly flushed: number
  /** It reported a rejected commit. */
  readonly rejected: boolean
  /** It killed itself at its point. */
  readonly struck: boolean
  readonly closed: boolean
  /** undefined: it lived until the parent killed it. */
  readonly end: OwnEnd | undefined
  /** What it wrote to stderr. */
  readonly errors: string
}

/** One writer process, from warm start to its end. */
export class Writer {
  readonly #child: ChildProcess
  readonly #warm: Promise<unknown>
  readonly #ended: Promise<unknown>
  #rest: Buffer = Buffer.alloc(0)
  #announced: number[] = []
  #acked = new Set<number>()
  #counts = { flushed: 0, rejected: 0, struck: 0, closed: 0 }
  #errors = ''
  #onReady: () => void = () => undefined

  /** `atPoint`: it is to die at a named point, most likely, and loads what that takes. */
  constructor(program: URL, atPoint: boolean) {
    const args = [fileURLToPath(program), atPoint ? 'point' : 'package']
    this.#child = spawn(process.execPath, args, {
      stdio: ['ignore', 'inherit', 'pipe', 'pipe', 'ipc'],
    })
    this.#warm = once(this.#child, 'message')
    this.#ended = once(this.#child, 'close')
    const progress = this.#child.stdio[3] as Readable
    progress.on('data', (bytes: Buffer) => this.#read(bytes))
    this.#child.stderr?.on('data', (bytes: Buffer) => {
      this.#errors += bytes.toString()
    })
  }

  /** Acks that arrived so far. */
  get acks(): number {
    return this.#acked.size
  }

  /** Starts writing; resolves when the database is open, or after `limitMs`, or when the writer died. */
  async start(order: WriterOrder, limitMs: number): Promise<void> {
    await this.#warm
    const ready = new Promise<void>((resolve) => {
      this.#onReady = resolve
    })
    this.#child.send(order)
    await within(limitMs, ready, this.#ended)
  }

  /** Resolves when it ended by itself, or after `limitMs`. */
  async ended(limitMs: number): Promise<void> {
    await within(limitMs, this.#ended)
  }

  signal(name: 'SIGTERM' | 'SIGSTOP' | 'SIGCONT'): void {
    this.#child.kill(name)
  }

  async kill(): Promise<Progress> {
    const { exitCode: code, signalCode: signal } = this.#child
    const end = code === null && signal === null ? undefined : { code, signal }
    this.#child.kill('SIGKILL')
    await this.#ended
    const { flushed, rejected, struck, closed } = this.#counts
    return {
      announced: this.#announced,
      acked: this.#acked,
      flushed,
      rejected: rejected > 0,
      struck: struck > 0,
      closed: closed > 0,
      end,
      errors: this.#errors,
    }
  }

  #read(bytes: Buffer): void {
    const all = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes])
    let at = 0
    for (; at + RECORD_BYTES <= all.length; at += RECORD_BYTES) {
      this.#take(all[at]!, all.readUInt32LE(at + 1))
    }
    this.#rest = all.subarray(at)
  }

  #take(kind: number, number: number): void {
    if (kind === RECORD.ready) this.#onReady()
    else if (kind === RECORD.announced) this.#announced.push(number)
    else if (kind === RECORD.acked) this.#acked.add(number)
    else if (kind === RECORD.flushed) this.#counts.flushed++
    else if (kind === RECORD.struck) this.#counts.struck++
    else if (kind === RECORD.closed) this.#counts.closed++
    else this.#counts.rejected++
  }
}

/** Resolves with the first of them, or after so long. */
async function within(limitMs: number, ...events: readonly Promise<unknown>[]): Promise<void> {
  let timer: NodeJS.Timeout | undefined
  const limit = new Promise((resolve) => {
    timer = setTimeout(resolve, limitMs)
  })
  await Promise.race([...events, limit])
  clearTimeout(timer)
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
