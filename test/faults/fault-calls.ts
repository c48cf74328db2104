// What every call of a FaultFileSystem goes through: it is noted, faults may strike it, and what it changes is a step
// of the log.
import { Disk, type Step } from './disk.ts'
import { type Call, type CallKind, FaultRules, systemError, type Verdict } from './fault-rules.ts'

/** One call: what it is, what it does, and what of it is done all the same when a fault strikes. */
export interface Request<T> {
  readonly kind: CallKind
  readonly path: string
  readonly file?: number
  readonly offset?: number
  readonly bytes?: number
  readonly run: () => T
  readonly partly?: (verdict: Verdict) => void
  /** Of a read: what it does when the file ends early. */
  readonly cut?: (bytes: number) => T
}

/** How calls pass the time. */
export interface Pace {
  /** Before an asynchronous call takes effect. When this rejects, the call fails and had no effect. */
  later(verdict: Verdict | undefined): Promise<void>
  /** While a synchronous call is slow. */
  block(delayMs: number): void
}

const TOTAL_BYTES: number = 2 ** 40

const eventLoopPace: Pace = {
  async later(verdict) {
    await new Promise((resolve) => setImmediate(resolve))
    const delayMs = verdict?.delayMs
    if (delayMs !== undefined) await new Promise((resolve) => setTimeout(resolve, delayMs))
    await verdict?.until
  },
  block(delayMs) {
    const until = performance.now() + delayMs
    while (performance.now() < until);
  },
}

export class FaultCalls {
  readonly calls: Call[] = []
  readonly steps: Step[] = []
  readonly rules: FaultRules = new FaultRules()
  readonly disk: Disk
  capacityBytes: number = TOTAL_BYTES
  flipsSources = false
  watch: (call: Call) => void = () => undefined
  pace: Pace = eventLoopPace
  /** Handles open on each file: a removed file takes room until the last is closed. */
  readonly #handles = new Map<number, number>()

  constructor(files: ReadonlyMap<string, Buffer>, steps: readonly Step[]) {
    this.disk = new Disk(files)
    for (const step of steps) this.apply(step)
  }

  now<T>(request: Request<T>): T {
    const { call, verdict } = this.#begin(request)
    if (verdict?.delayMs !== undefined) this.pace.block(verdict.delayMs)
    return this.#perform(request, call, verdict)
  }

  async later<T>(request: Request<T>): Promise<T> {
    const { call, verdict } = this.#begin(request)
    await this.pace.later(verdict)
    return this.#perform(request, call, verdict)
  }

  apply(step: Step): void {
    this.disk.apply(step)
    this.steps.push(step)
  }

  /** Writes what there is room for; false: that was not all. */
  write(file: number, at: number, source: Uint8Array): boolean {
    const growth = at + source.length - this.disk.files.get(file)!.length
    const limited = growth > 0 && this.capacityBytes < TOTAL_BYTES
    const missing = limited ? Math.max(0, growth - this.freeBytes()) : 0
    const bytes = Buffer.from(source.subarray(0, Math.max(0, source.length - missing)))
    if (bytes.length > 0) this.apply({ kind: 'write', file, at, bytes })
    return bytes.length === source.length
  }

  freeBytes(): number {
    let used = 0
    const linked = new Set([...this.disk.names.values()].flatMap((names) => [...names.values()]))
    for (const [file, { length }] of this.disk.files) {
      if (linked.has(file) || (this.#handles.get(file) ?? 0) > 0) used += length
    }
    return Math.max(0, this.capacityBytes - used)
  }

  get openHandles(): number {
    let open = 0
    for (const count of this.#handles.values()) open += count
    return open
  }

  /** A close that fails is noted, not thrown. */
  closing(request: Request<void>): void {
    const { call, verdict } = this.#begin(request)
    if (verdict?.errno !== undefined) call.error = verdict.errno
  }

  countHandle(file: number, change: 1 | -1): void {
    this.#handles.set(file, (this.#handles.get(file) ?? 0) + change)
  }

  #begin<T>({ kind, path, file = -1, offset = 0, bytes = 0 }: Request<T>): {
    call: Call
    verdict: Verdict | undefined
  } {
    const call: Call = { kind, path, file, offset, bytes, made: this.calls.length }
    this.calls.push(call)
    this.watch(call)
    return { call, verdict: this.rules.judge(call) }
  }

  #perform<T>(request: Request<T>, call: Call, verdict: Verdict | undefined): T {
    try {
      if (verdict?.errno === undefined) {
        const short = verdict?.shortBytes
        return short === undefined || request.cut === undefined ? request.run() : request.cut(short)
      }
      request.partly?.(verdict)
      throw systemError(verdict.errno, call.kind, call.path)
    } catch (error) {
      call.error = error instanceof Error && 'code' in error ? String(error.code) : 'none'
      call.failedAt = this.calls.length
      throw error
    }
  }
}
