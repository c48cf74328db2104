// An open file of a FaultFileSystem.
import type { OpenFile } from '../../src/io/file-system.ts'
import type { FaultCalls, Request } from './fault-calls.ts'
import { systemError } from './fault-rules.ts'
import type { FileContent } from './file-content.ts'

export class FaultFile implements OpenFile {
  readonly path: string
  readonly descriptor: number | undefined = undefined
  readonly #calls: FaultCalls
  readonly #file: number
  readonly #writable: boolean
  #closed = false

  constructor(calls: FaultCalls, path: string, file: number, writable: boolean) {
    this.#calls = calls
    this.path = path
    this.#file = file
    this.#writable = writable
    calls.countHandle(file, 1)
  }

  readSync(target: Uint8Array, position: number): number {
    return this.#calls.now(this.#reading(target, position))
  }

  async read(target: Uint8Array, position: number): Promise<number> {
    return await this.#calls.later(this.#reading(target, position))
  }

  writeSync(source: Uint8Array, position: number, from = 0, to: number = source.length): void {
    const bytes = source.subarray(from, to)
    this.#calls.now(this.#writing(bytes, position))
    this.#flip(bytes)
  }

  async write(source: Uint8Array, position: number): Promise<void> {
    const asked = Buffer.from(source)
    const writing = this.#writing(source, position)
    await this.#calls.later({
      ...writing,
      run: () => {
        if (!asked.equals(source)) throw new Error(`${this.path}: bytes changed while written`)
        writing.run()
      },
    })
    this.#flip(source)
  }

  truncateSync(length: number): void {
    this.#check('ftruncate', 'EINVAL')
    const run = (): void => this.#calls.apply({ kind: 'truncate', file: this.#file, length })
    this.#calls.now({ kind: 'truncate', ...this.#place(length), run })
  }

  sizeSync(): number {
    this.#check('fstat')
    return this.#calls.now({ kind: 'size', ...this.#place(0), run: () => this.#content.length })
  }

  dataSyncSync(): void {
    this.#calls.now(this.#syncing())
  }

  async dataSync(): Promise<void> {
    await this.#calls.later(this.#syncing())
  }

  closeSync(): void {
    if (this.#closed) return
    this.#closed = true
    this.#calls.countHandle(this.#file, -1)
    this.#calls.closing({ kind: 'close', ...this.#place(0), run: () => undefined })
  }

  get #content(): FileContent {
    return this.#calls.disk.files.get(this.#file)!
  }

  #place(
    offset: number,
    bytes: number = 0,
  ): Pick<Request<void>, 'path' | 'file'> & {
    readonly offset: number
    readonly bytes: number
  } {
    return { path: this.path, file: this.#file, offset, bytes }
  }

  #reading(target: Uint8Array, position: number): Request<number> {
    this.#check('read')
    const run = (): number => this.#content.read(target, position)
    const cut = (bytes: number): number => this.#content.read(target.subarray(0, bytes), position)
    return { kind: 'read', ...this.#place(position, target.length), run, cut }
  }

  #writing(source: Uint8Array, position: number): Request<void> {
    this.#check('write', 'EBADF')
    return {
      kind: 'write',
      ...this.#place(position, source.length),
      run: () => {
        const whole = this.#calls.write(this.#file, position, source)
        if (!whole) throw systemError('ENOSPC', 'write', this.path)
      },
      partly: ({ shortBytes = 0 }) =>
        void this.#calls.write(this.#file, position, source.subarray(0, shortBytes)),
    }
  }

  #syncing(): Request<void> {
    this.#check('fdatasync')
    const { steps } = this.#calls
    const place = { file: this.#file, before: steps.length }
    return {
      kind: 'sync',
      ...this.#place(0),
      run: () => this.#calls.apply({ kind: 'sync', ...place }),
      partly: ({ failedSync = 'clean' }) =>
        this.#calls.apply({ kind: 'lose', ...place, mode: failedSync }),
    }
  }

  /** Shared memory is left alone: a log is written straight from the memtable, which goes on using those bytes. */
  #flip(source: Uint8Array): void {
    if (!this.#calls.flipsSources || source.buffer instanceof SharedArrayBuffer) return
    for (let i = 0; i < source.length; i++) source[i] = source[i]! ^ 0xff
  }

  #check(syscall: string, readOnlyError?: string): void {
    if (this.#closed) throw systemError('EBADF', syscall, this.path)
    if (readOnlyError !== undefined && !this.#writable) {
      throw systemError(readOnlyError, syscall, this.path)
    }
  }
}
