// Replays and surveys single logs with damage in them: every flipped bit is found, the log is cut at the damaged frame
// and nowhere else, and what had been durable is recognised as such.
import type { KernelHeap } from '../../../src/cursor/words.ts'
import { wasmKernels } from '../../../src/kernel/wasm-kernels.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import { type ReplayedWal, replayArenaBytes, replayWal } from '../../../src/wal/replay.ts'
import { surveyWal } from '../../../src/wal/wal-survey.ts'
import { DIRECTORY } from '../image.ts'
import { imageFileSystem } from './image-file-system.ts'
import { requirePlace, WrongAnswer } from './judge.ts'
import { firstDamaged, type NamedLog, namedLogs, provesDurable } from './log-evidence.ts'
import type { Specimen } from './specimen.ts'

const HEAP_BYTES = 4 * 1024 * 1024
const ARENA = 65_536
const HEADER = 64

export interface LiveLog extends NamedLog {
  readonly path: string
  readonly before: Buffer
  /** What is read now. */
  readonly bytes: Buffer
}

export type LogAnswer = 'refused' | 'cut'

export class LiveLogs {
  readonly logs: readonly LiveLog[]
  readonly #files = new Map<string, Buffer>()
  readonly #machine: KernelHeap
  readonly #fs = imageFileSystem(this.#files)

  constructor({ image }: Specimen) {
    this.logs = namedLogs(image).map((log) => {
      const before = image.get(log.name)!
      const path = `${DIRECTORY}/${log.name}`
      const bytes = Buffer.from(before)
      this.#files.set(path, bytes)
      return { ...log, path, before, bytes }
    })
    const heap = new HeapPool().acquire(HEAP_BYTES)
    this.#machine = { heap, kernels: wasmKernels(heap.memory) }
  }

  /** A flipped bit. Throws WrongAnswer. The survey, which reads with other code, is asked as well if it says so. */
  flip(log: LiveLog, offset: number, bit: number, survey: boolean): LogAnswer | 'right' {
    log.bytes[offset]! ^= 1 << bit
    try {
      if (survey) this.#requireSurvey(log)
      return this.#judge(log, log.bytes)
    } catch (error) {
      if (!(error instanceof WrongAnswer)) throw error
      const where = `bit ${bit} of byte ${offset} of ${log.path}`
      throw new WrongAnswer(`${where}: ${error.message}`, { cause: error })
    } finally {
      log.bytes[offset]! ^= 1 << bit
    }
  }

  /** The log as it would be had only its first `length` bytes been written, with `behind` after them. */
  truncate(log: LiveLog, length: number, behind: Buffer): LogAnswer | 'right' {
    const bytes = Buffer.concat([log.before.subarray(0, length), behind])
    this.#files.set(log.path, bytes)
    try {
      return this.#judge(log, bytes)
    } finally {
      this.#files.set(log.path, log.bytes)
    }
  }

  #judge(log: LiveLog, bytes: Buffer): LogAnswer | 'right' {
    let replayed: ReplayedWal
    try {
      replayed = this.#replay(log)
    } catch (error) {
      requirePlace(error)
      return 'refused'
    }
    const damaged = firstDamaged(log, log.before, bytes)
    if (bytes.length < HEADER || log.before.compare(bytes, 0, HEADER, 0, HEADER) !== 0) {
      throw new WrongAnswer('a log was read whose header is damaged')
    }
    if (log.sealed !== undefined && damaged !== undefined) {
      throw new WrongAnswer('a sealed log was read with damage in it')
    }
    const cutAt = damaged?.offset ?? log.frames.at(-1)?.end ?? HEADER
    if (replayed.cutAt !== cutAt) throw new WrongAnswer(`cut at ${replayed.cutAt}, not ${cutAt}`)
    const kept = log.frames.filter(({ end }) => end <= cutAt)
    const records = kept.reduce((sum, frame) => sum + frame.records, 0)
    if (replayed.records !== records) throw new WrongAnswer(`${replayed.records} of ${records}`)
    const durable = damaged !== undefined && provesDurable(log, damaged, log.before, bytes)
    if (replayed.syncedPastDamage !== durable) {
      throw new WrongAnswer(durable ? 'durable frames taken for lost' : 'taken for durable')
    }
    return durable ? 'refused' : damaged === undefined ? 'right' : 'cut'
  }

  #replay({ number, salt, sealed, bytes }: LiveLog): ReplayedWal {
    const { heap, kernels } = this.#machine
    const arena = { address: ARENA, length: replayArenaBytes(bytes.length + 8_192) }
    const source = { fs: this.#fs, directory: DIRECTORY, number, salt }
    const memory = { heap, kernels, arena, cancelled: () => false }
    return replayWal(sealed === undefined ? source : { ...source, sealed }, memory)
  }

  #requireSurvey({ path, number, salt, sealed }: LiveLog): void {
    const found = surveyWal({ fs: this.#fs, path, number, salt, length: sealed?.length })
    const told = found.headerDamage !== undefined || found.damage !== undefined
    const otherDigest = sealed !== undefined && found.digest !== sealed.digest
    if (!told && !otherDigest) throw new WrongAnswer('a survey finds no damage')
  }
}
