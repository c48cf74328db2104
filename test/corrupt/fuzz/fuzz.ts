// Runs every decoder its share of times. Each execution depends on seed, decoder and its number alone, so that one can
// be run again. Counts; watches the time, and the largest piece of memory asked for.
import { CorruptionError, SettError } from '../../../src/base/errors.ts'
import { prng } from '../../model/prng.ts'
import { blockDecoder } from './block-decoder.ts'
import type { Decoder } from './decoder.ts'
import { FIXED_DECODERS } from './fixed-decoders.ts'
import { logDecoder } from './log-decoder.ts'
import { manifestDecoder } from './manifest-decoder.ts'
import { tableDecoder } from './table-decoder.ts'
import { filterDecoder, indexDecoder } from './table-part-decoders.ts'

export interface FuzzRun {
  readonly seed: number
  readonly executions: number
  /** This decoder alone, and only its execution of this number: `name:number`. */
  readonly only?: string
}

interface Row {
  readonly name: string
  executions: number
  taken: number
  refused: number
  /** Processor time of all. */
  cpuMs: number
  slowestMs: number
  largestBytes: number
}

/** What one decoding may ask for: a window of a log; no input is as long as that. */
export const ALLOCATION_MOST: number = 1024 * 1024
/** Milliseconds; they take microseconds, but the machine may be busy. */
const SLOWEST = 5_000
const FAILURES_MOST = 5

export class FuzzReport {
  readonly rows: Row[] = []
  readonly failures: string[] = []

  get executions(): number {
    return this.rows.reduce((sum, { executions }) => sum + executions, 0)
  }

  lines(): string[] {
    const line = (cells: readonly (string | number)[]): string =>
      cells
        .map((cell, i) => (i === 0 ? String(cell).padEnd(22) : String(cell).padStart(14)))
        .join('')
    return [
      line(['decoder', 'executions', 'taken', 'refused', 'cpu ms', 'slowest ms', 'largest alloc']),
      ...this.rows.map(({ name, executions, taken, refused, cpuMs, slowestMs, largestBytes }) => {
        const [cpu, slowest] = [cpuMs.toFixed(0), slowestMs.toFixed(1)]
        return line([name, executions, taken, refused, cpu, slowest, largestBytes])
      }),
      `${this.executions} executions, ${this.failures.length} failures`,
    ]
  }
}

export function allDecoders(): Decoder[] {
  return [
    ...FIXED_DECODERS,
    indexDecoder(),
    filterDecoder(),
    blockDecoder(),
    logDecoder(),
    manifestDecoder(),
    tableDecoder(),
  ]
}

/** A turn of the event loop passes between decoders. */
export async function runFuzz({ seed, executions, only }: FuzzRun): Promise<FuzzReport> {
  const report = new FuzzReport()
  const decoders = allDecoders()
  const shares = decoders.reduce((sum, { share }) => sum + share, 0)
  const [name, number] = (only ?? '').split(':')
  for (const [stream, decoder] of decoders.entries()) {
    if (only !== undefined && name !== decoder.name) continue
    const count = Math.ceil((executions * decoder.share) / shares)
    const from = number === undefined ? 0 : Number(number)
    runDecoder(decoder, report, { seed, stream, from, to: number === undefined ? count : from + 1 })
    await new Promise((resolve) => setImmediate(resolve))
  }
  return report
}

interface Span {
  readonly seed: number
  readonly stream: number
  readonly from: number
  readonly to: number
}

function runDecoder(decoder: Decoder, report: FuzzReport, { seed, stream, from, to }: Span): void {
  const { name } = decoder
  const row: Row = {
    name,
    executions: 0,
    taken: 0,
    refused: 0,
    cpuMs: 0,
    slowestMs: 0,
    largestBytes: 0,
  }
  report.rows.push(row)
  const meter = meterAllocations()
  const cpu = process.cpuUsage()
  try {
    for (let i = from; i < to; i++) {
      const random = prng(seed, stream * 2 ** 40 + i)
      meter.largest = 0
      const began = performance.now()
      const failure = execute(decoder, row, random)
      const took = performance.now() - began
      row.executions += 1
      row.slowestMs = Math.max(row.slowestMs, took)
      row.largestBytes = Math.max(row.largestBytes, meter.largest)
      const wrong =
        failure ??
        (took > SLOWEST ? `it took ${took} ms` : undefined) ??
        (meter.largest > ALLOCATION_MOST ? `it asked for ${meter.largest} bytes` : undefined)
      if (wrong !== undefined) report.failures.push(`${name}:${i} (seed ${seed}): ${wrong}`)
      if (report.failures.length >= FAILURES_MOST) return
    }
  } finally {
    row.cpuMs = process.cpuUsage(cpu).user / 1000
    meter.stop()
  }
}

/** Returns what is wrong. */
function execute(decoder: Decoder, row: Row, random: ReturnType<typeof prng>): string | undefined {
  try {
    if (decoder.run(random)) row.taken += 1
    else row.refused += 1
    return undefined
  } catch (error) {
    const newer = error instanceof SettError && error.code === 'SETT_NEWER_FORMAT'
    if (!(error instanceof CorruptionError) && !newer) {
      return error instanceof Error ? `${error.stack}` : String(error)
    }
    row.refused += 1
    return undefined
  }
}

/** Notes the largest buffer made of ordinary memory until stop(). */
function meterAllocations(): { largest: number; stop(): void } {
  const { alloc, allocUnsafe, allocUnsafeSlow } = Buffer
  const meter = {
    largest: 0,
    stop: () => void Object.assign(Buffer, { alloc, allocUnsafe, allocUnsafeSlow }),
  }
  const note = (size: number): void => {
    if (size > meter.largest) meter.largest = size
  }
  Object.assign(Buffer, {
    alloc: (size: number, fill?: string | Uint8Array | number, encoding?: BufferEncoding) => {
      note(size)
      return alloc(size, fill, encoding)
    },
    allocUnsafe: (size: number) => {
      note(size)
      return allocUnsafe(size)
    },
    allocUnsafeSlow: (size: number) => {
      note(size)
      return allocUnsafeSlow(size)
    },
  })
  return meter
}
