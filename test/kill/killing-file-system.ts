// The real file system with a point at which it kills its own process by SIGKILL. The threads of a process share the
// countdown, so the point is struck once, by whichever of them comes to it.
import { writeSync } from 'node:fs'
import { basename } from 'node:path'
import { getEnvironmentData, setEnvironmentData } from 'node:worker_threads'
import type { FileSystem, OpenFile, OpenMode } from '../../src/io/file-system.ts'
import { nodeFileSystem } from '../../src/io/node-file-system.ts'
import type { CallKind } from '../faults/fault-rules.ts'
import { KILL_POINTS, type KillJob, type KillPhase, type KillPoint } from './kill-points.ts'
import { PROGRESS_DESCRIPTOR, progressRecord, RECORD } from './messages.ts'

/** Under this name threads inherit what they share. */
const ENVIRONMENT_KEY = 'sett-kill-switch'
const PHASES: readonly KillPhase[] = ['opening', 'running', 'closing']
const PHASE = 0
const COUNTDOWN = 1

interface Shared {
  readonly index: number
  readonly words: Int32Array
}

/** Decides which call is the last one. */
export class KillSwitch {
  /** What this thread is at. */
  job: KillJob | 'other' = 'none'
  readonly #shared: Shared
  readonly #point: KillPoint
  readonly #jobsAreKnown: boolean

  private constructor(shared: Shared, jobsAreKnown: boolean) {
    this.#shared = shared
    this.#point = KILL_POINTS[shared.index]!
    this.#jobsAreKnown = jobsAreKnown
  }

  /** Main thread, before any other is started. */
  static arm(index: number, nth: number, workers: number): KillSwitch {
    const words = new Int32Array(new SharedArrayBuffer(8))
    words[COUNTDOWN] = nth
    const shared: Shared = { index, words }
    setEnvironmentData(ENVIRONMENT_KEY, shared)
    return new KillSwitch(shared, workers > 0)
  }

  /** Any other thread. */
  static inherited(): KillSwitch {
    return new KillSwitch(getEnvironmentData(ENVIRONMENT_KEY) as Shared, true)
  }

  enter(phase: KillPhase): void {
    Atomics.store(this.#shared.words, PHASE, PHASES.indexOf(phase))
  }

  /** Makes a call, or what is left of it when it is the one. */
  now<T>(on: CallKind, path: string, run: () => T, half: () => void = () => undefined): T {
    const struck = this.#meets(on, path)
    if (struck) this.#beforeCall(half)
    const result = run()
    if (struck) this.#die()
    return result
  }

  async later<T>(on: CallKind, path: string, run: () => Promise<T>, half?: () => void): Promise<T> {
    const struck = this.#meets(on, path)
    if (struck) this.#beforeCall(half ?? (() => undefined))
    const result = await run()
    if (struck) this.#die()
    return result
  }

  #beforeCall(half: () => void): void {
    const { when } = this.#point
    if (when === 'after') return
    if (when === 'halfway') half()
    this.#die()
  }

  #meets(on: CallKind, path: string): boolean {
    const { words } = this.#shared
    const { on: wanted, path: pattern, phase, job } = this.#point
    if (on !== wanted || PHASES[Atomics.load(words, PHASE)] !== phase) return false
    if (!pattern.test(basename(path))) return false
    if (job !== undefined && this.#jobsAreKnown && job !== this.job) return false
    return Atomics.sub(words, COUNTDOWN, 1) === 1
  }

  #die(): never {
    writeSync(PROGRESS_DESCRIPTOR, progressRecord(RECORD.struck, this.#shared.index))
    for (;;) process.kill(process.pid, 'SIGKILL')
  }
}

export function killingFileSystem(kill: KillSwitch): FileSystem {
  const fs = nodeFileSystem
  return {
    ...fs,
    openSync(path: string, mode: OpenMode) {
      const on = mode === 'create' ? 'create' : 'open'
      return new KillingFile(
        kill.now(on, path, () => fs.openSync(path, mode)),
        kill,
      )
    },
    renameSync: (from, to) => kill.now('rename', to, () => fs.renameSync(from, to)),
    removeSync: (path) => kill.now('remove', path, () => fs.removeSync(path)),
    remove: (path) => kill.later('remove', path, () => fs.remove(path)),
    syncDirectorySync: (path) => kill.now('syncDirectory', path, () => fs.syncDirectorySync(path)),
    syncDirectory: (path) => kill.later('syncDirectory', path, () => fs.syncDirectory(path)),
  }
}

class KillingFile implements OpenFile {
  readonly path: string
  /** None is lent out: every sync comes through here. */
  readonly descriptor: undefined = undefined
  readonly #file: OpenFile
  readonly #kill: KillSwitch

  constructor(file: OpenFile, kill: KillSwitch) {
    this.path = file.path
    this.#file = file
    this.#kill = kill
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#kill.now('read', this.path, () => this.#file.readSync(target, position))
  }

  read(target: Uint8Array, position: number): Promise<number> {
    return this.#kill.later('read', this.path, () => this.#file.read(target, position))
  }

  writeSync(source: Uint8Array, position: number, from = 0, to: number = source.length): void {
    const half = (): void => this.#half(source.subarray(from, to), position)
    const whole = (): void => this.#file.writeSync(source, position, from, to)
    this.#kill.now('write', this.path, whole, half)
  }

  write(source: Uint8Array, position: number): Promise<void> {
    const half = (): void => this.#half(source, position)
    return this.#kill.later('write', this.path, () => this.#file.write(source, position), half)
  }

  truncateSync(length: number): void {
    this.#kill.now('truncate', this.path, () => this.#file.truncateSync(length))
  }

  sizeSync(): number {
    return this.#file.sizeSync()
  }

  dataSyncSync(): void {
    this.#kill.now('sync', this.path, () => this.#file.dataSyncSync())
  }

  dataSync(): Promise<void> {
    return this.#kill.later('sync', this.path, () => this.#file.dataSync())
  }

  closeSync(): void {
    this.#file.closeSync()
  }

  #half(source: Uint8Array, position: number): void {
    this.#file.writeSync(source.subarray(0, source.length >>> 1), position)
  }
}
