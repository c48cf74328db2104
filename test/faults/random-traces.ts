// Random traces of file system calls, and what a file system answers to them: the same trace on two file systems must
// give the same answers, errors included, and leave the same files.
import { join } from 'node:path'
import type { FileSystem, OpenFile } from '../../src/io/file-system.ts'
import { type Prng, prng, seededBytes } from '../model/prng.ts'

const NAMES = ['a', 'b', 'c', 'd', 'd/x', 'd/y', 'd/e', 'd/e/z', 'a/inside', 'none/x'] as const
const LENGTH_MOST = 3_000

type Answer = string | number | boolean | readonly string[]

/** What one trace saw and left. */
export interface Outcome {
  readonly answers: readonly Answer[]
  readonly tree: readonly string[]
  /** How often each error came. */
  readonly errors: ReadonlyMap<string, number>
}

export async function playTrace(
  fs: FileSystem,
  directory: string,
  seed: number,
  calls: number,
): Promise<Outcome> {
  const player = new Player(fs, directory, prng(seed))
  for (let i = 0; i < calls; i++) await player.call()
  return player.end()
}

class Player {
  readonly #fs: FileSystem
  readonly #directory: string
  readonly #random: Prng
  readonly #open: OpenFile[] = []
  readonly #answers: Answer[] = []
  readonly #errors = new Map<string, number>()

  constructor(fs: FileSystem, directory: string, random: Prng) {
    this.#fs = fs
    this.#directory = directory
    this.#random = random
  }

  async call(): Promise<void> {
    const answer = await this.#attempt(this.#next())
    this.#answers.push(answer)
  }

  end(): Outcome {
    for (const file of this.#open) file.closeSync()
    const tree = treeOf(this.#fs, this.#directory)
    return { answers: this.#answers, tree, errors: this.#errors }
  }

  async #attempt(run: () => Answer | Promise<Answer>): Promise<Answer> {
    try {
      return await run()
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : String(error)
      this.#errors.set(code, (this.#errors.get(code) ?? 0) + 1)
      return code
    }
  }

  /** Everything random is drawn before the call, so that a failure does not change what follows. */
  #next(): () => Answer | Promise<Answer> {
    return this.#random.chance(0.5) ? this.#namedCall() : this.#fileCall()
  }

  #namedCall(): () => Answer | Promise<Answer> {
    const fs = this.#fs
    const path = this.#path()
    const other = this.#path()
    switch (this.#random.below(12)) {
      case 0:
      case 1:
      case 2:
        return () => this.#opened(fs.openSync(path, 'create'))
      case 3:
        return () => this.#opened(fs.openSync(path, 'read'))
      case 4:
        return () => fs.makeDirectorySync(path)
      case 5:
        return () => done(fs.renameSync(path, other))
      case 6:
        return () => done(fs.removeSync(path))
      case 7:
        return async () => done(await fs.remove(path))
      case 8:
        return () => fs.listSync(path).sort()
      case 9:
        return () => this.#opened(fs.openSync(path, 'update'))
      case 10:
        return () => JSON.stringify(fs.statSync(path) ?? 'nothing', ['kind'])
      default:
        return async () => done(await fs.syncDirectory(path))
    }
  }

  #fileCall(): () => Answer | Promise<Answer> {
    const at = this.#random.below(8)
    const position = this.#random.below(LENGTH_MOST)
    const length = this.#random.below(LENGTH_MOST)
    const bytes = seededBytes(this.#random.u32(), length)
    const kind = this.#random.below(10)
    const file = this.#open.at(-1 - at) ?? this.#open.at(-1)
    if (file === undefined) return () => 'no file'
    switch (kind) {
      case 0:
      case 1:
        return () => done(file.writeSync(bytes, position))
      case 2:
        return async () => done(await file.write(bytes, position))
      case 3:
        return () => done(file.truncateSync(length))
      case 4:
        return () => readBack(bytes, file.readSync(bytes, position))
      case 5:
        return async () => readBack(bytes, await file.read(bytes, position))
      case 6:
        return () => file.sizeSync()
      case 7:
        return () => done(file.dataSyncSync())
      case 8:
        return async () => done(await file.dataSync())
      default:
        return () => done(file.closeSync())
    }
  }

  #opened(file: OpenFile): Answer {
    this.#open.push(file)
    return 'opened'
  }

  #path(): string {
    return join(this.#directory, NAMES[this.#random.below(NAMES.length)]!)
  }
}

function done(_: unknown): Answer {
  return 'done'
}

function readBack(target: Buffer, count: number): Answer {
  return `${count}: ${target.toString('hex', 0, count)}`
}

/** Every entry below a directory: its path, and its bytes if it is a file. */
export function treeOf(fs: FileSystem, directory: string, inside: string = ''): string[] {
  return fs
    .listSync(join(directory, inside))
    .sort()
    .flatMap((name) => {
      const path = join(inside, name)
      const full = join(directory, path)
      if (fs.statSync(full)?.kind === 'directory') {
        return [`${path}/`, ...treeOf(fs, directory, path)]
      }
      const file = fs.openSync(full, 'read')
      const bytes = Buffer.alloc(file.sizeSync())
      file.readSync(bytes, 0)
      file.closeSync()
      return [`${path} ${fs.statSync(full)?.size} ${bytes.toString('hex')}`]
    })
}
