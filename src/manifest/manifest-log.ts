// The manifest of an open database: main thread, one append at a time. Invariant: `state` is what
// the edits known durable make; a failed append changes nothing, and after one whose outcome on
// disk is unknown nothing is ever appended again. Nothing is written once the directory is not ours any more: every
// writable open starts a manifest of its own, so CURRENT names the latest owner's. One that grew long while the
// database is open gives way to another: it would keep its room, and the next open would replay it all.
import { SettError } from '../base/errors.ts'
import { checksumSeed } from '../format/checksum.ts'
import { type CurrentFile, encodeCurrent } from '../format/current-file.ts'
import { encodeFileHeader, FILE_HEADER_BYTES } from '../format/file-header.ts'
import { encodeEditPayload, type ManifestEdit, sealEdit } from '../format/manifest-edit.ts'
import { currentPath, currentTempPath, manifestPath } from '../io/file-names.ts'
import type { FileSystem, OpenFile } from '../io/file-system.ts'
import { applyEdit, type ManifestState, snapshotEdit } from './apply-edit.ts'
import { readCurrent } from './read-manifest.ts'

/** Above this a write does not block the thread. */
const ASYNC_WRITE_BYTES = 65_536
/** A manifest gives way at this length, or at so many times the length it began with if that is more: to begin another
 * costs as much as a few edits. */
const LONG_BYTES = 65_536
const LONG_TIMES = 4
/** System calls of which none comes once CURRENT is renamed, but for the one that opens the directory. */
const BEFORE_RENAME: ReadonlySet<string> = new Set(['open', 'write', 'stat', 'lstat', 'unlink'])
/** A rename that is refused so did nothing. */
const REFUSED: ReadonlySet<unknown> = new Set(['ENOSPC', 'EDQUOT', 'EROFS', 'EACCES', 'EPERM'])

export interface ManifestParts {
  readonly fs: FileSystem
  readonly directory: string
  /** A fresh file number. */
  readonly number: number
  /** 8 random bytes */
  readonly salt: Uint8Array
  /** fdatasync, wherever the caller wants it done. */
  readonly sync: (file: OpenFile) => Promise<void>
  /** Throws SETT_POISONED once the directory's lock is lost. */
  readonly checkLock?: () => void
  /** For the manifest that takes the place of this one once that is long; without it none does. */
  readonly next?: () => Pick<ManifestParts, 'number' | 'salt'>
}

export class ManifestLog {
  /** Of the manifest this open began with. */
  readonly firstNumber: number
  readonly #parts: ManifestParts
  #number: number
  #file: OpenFile
  #state: ManifestState
  #length: number = FILE_HEADER_BYTES
  #checksum: bigint
  /** Ends when every append so far has. */
  #tail: Promise<unknown> = Promise.resolve()
  #failure: unknown
  #loss: SettError | undefined
  #onFailure: (error: unknown) => void = () => undefined
  #onReplaced: (number: number) => void = () => undefined
  #closed = false
  /** CURRENT was made to name this manifest. */
  #named = false
  /** At this length another is begun; CURRENT may name that one already. */
  #longLength = Number.POSITIVE_INFINITY
  #successor: number | undefined

  private constructor(parts: ManifestParts, file: OpenFile, state: ManifestState) {
    this.#parts = parts
    this.#file = file
    this.#state = state
    this.firstNumber = parts.number
    this.#number = parts.number
    const salt = Buffer.from(parts.salt)
    this.#checksum = checksumSeed({ salt, fileNumber: parts.number, position: FILE_HEADER_BYTES })
  }

  /**
   * Writes a new manifest that starts with a snapshot of `state`, then points CURRENT at it; all of
   * it durable.
   */
  static async create(parts: ManifestParts, state: ManifestState): Promise<ManifestLog> {
    const { fs, directory, number, sync } = parts
    const salt = Buffer.from(parts.salt)
    const file = fs.openSync(manifestPath(directory, number), 'create')
    try {
      file.writeSync(encodeFileHeader({ kind: 'manifest', number, salt, parameter: 0 }), 0)
      const log = new ManifestLog(parts, file, state)
      const next = Math.max(state.nextFileNumber, number + 1)
      await log.#append({ ...snapshotEdit(state), nextFileNumber: next })
      // The manifest's own name is durable before CURRENT names it.
      await fs.syncDirectory(directory)
      log.requireOwner()
      await writeCurrent({ fs, directory, sync }, { manifest: number })
      log.#named = true
      log.#longLength = Math.max(LONG_BYTES, LONG_TIMES * log.#length)
      return log
    } catch (error) {
      file.closeSync()
      throw error
    }
  }

  /** Of the file that is appended to. */
  get number(): number {
    return this.#number
  }

  /** Whether CURRENT names the manifest of this open when it names that one. */
  isCurrent(number: number): boolean {
    return number === this.#number || number === this.#successor
  }

  /** What the durable edits make. */
  get state(): ManifestState {
    return this.#state
  }

  get lastDurableEdit(): number {
    return this.#state.editNumber
  }

  /** False once an append failed whose outcome on disk is unknown; no other will succeed. */
  get usable(): boolean {
    return this.#failure === undefined
  }

  /** Appends no more: after a failure elsewhere nothing may be built on what is on disk. */
  stop(cause: unknown): void {
    this.#failure ??= cause
  }

  /** `listener` runs when the manifest becomes unusable by an append. */
  onFailure(listener: (error: unknown) => void): void {
    this.#onFailure = listener
  }

  /** `listener` gets the number of a manifest that does not count any more. */
  onReplaced(listener: (number: number) => void): void {
    this.#onReplaced = listener
  }

  /** Bytes of the manifest. */
  get length(): number {
    return this.#length
  }

  /** False, for good, once somebody else has the directory; asked before anything is created or deleted in it. */
  stillOwned(): boolean {
    if (this.#loss === undefined) {
      this.#loss = this.#findLoss()
      if (this.#loss !== undefined) this.#fail(this.#loss)
    }
    return this.#loss === undefined
  }

  /** Throws unless `stillOwned()`. */
  requireOwner(): void {
    if (!this.stillOwned()) throw this.#loss
  }

  /** Makes an edit durable, after those asked for before; resolves with the state it made. A function makes the edit of
   * the state it will change. */
  append(edit: ManifestEdit | ((state: ManifestState) => ManifestEdit)): Promise<ManifestState> {
    const turn = this.#tail.then(() => this.#append(edit))
    // Whoever waits for this edit need not wait for that.
    const replaced = (): Promise<void> => this.#replaceIfLong()
    this.#tail = turn.then(replaced, () => undefined)
    return turn
  }

  /** Resolves once nothing is under way. */
  settled(): Promise<unknown> {
    return this.#tail
  }

  /**
   * Waits for the appends under way and marks the manifest as complete: the next open demands
   * exactly it.
   */
  async closeClean(): Promise<void> {
    await this.#tail
    this.#requireUsable()
    this.requireOwner()
    this.#closed = true
    const clean = { length: this.#length, lastChecksum: this.#checksum }
    await writeCurrent(this.#parts, { manifest: this.#number, clean })
    this.#file.closeSync()
  }

  /** Lets go of the file and leaves it as after a crash. */
  async close(): Promise<void> {
    this.#closed = true
    await this.#tail
    this.#file.closeSync()
  }

  async #append(
    asked: ManifestEdit | ((state: ManifestState) => ManifestEdit),
  ): Promise<ManifestState> {
    this.#requireUsable()
    this.requireOwner()
    const edit = typeof asked === 'function' ? asked(this.#state) : asked
    const state = applyEdit(this.#state, edit)
    const { bytes, checksum } = sealEdit(encodeEditPayload(edit), state.editNumber, this.#checksum)
    await this.#write(bytes)
    try {
      await this.#parts.sync(this.#file)
    } catch (error) {
      this.#fail(error)
      throw error
    }
    this.#state = state
    this.#checksum = checksum
    this.#length += bytes.length
    return state
  }

  /** Never rejects: every edit so far is durable where it is. */
  async #replaceIfLong(): Promise<void> {
    const { next } = this.#parts
    if (next === undefined || this.#length < this.#longLength) return
    if (this.#closed || !this.usable || !this.stillOwned()) return
    const checkLock = (): void => this.requireOwner()
    const sync = (file: OpenFile): Promise<void> => this.#syncOfSuccessor(file)
    const parts = { ...this.#parts, ...next(), checkLock, sync }
    this.#successor = parts.number
    try {
      const successor = await ManifestLog.create(parts, this.#state)
      // What failed meanwhile may have been a sync of the directory, and this one told of success in vain.
      if (this.usable) this.#adopt(successor)
      else successor.#file.closeSync()
    } catch (error) {
      if (this.#mayGoOn(error)) this.#giveUpSuccessor(parts.number)
      else if (this.usable) this.#fail(error)
    }
  }

  /** What failed meanwhile may have been a sync of this very directory: it is not asked again. */
  async #syncOfSuccessor(file: OpenFile): Promise<void> {
    await this.#parts.sync(file)
    if (!this.usable) throw this.#failure
  }

  #giveUpSuccessor(number: number): void {
    this.#successor = undefined
    // What there was no room for is not tried at each edit.
    this.#longLength = 2 * this.#length
    this.#onReplaced(number)
  }

  #adopt(next: ManifestLog): void {
    const replaced = { number: this.#number, file: this.#file }
    this.#successor = undefined
    this.#number = next.#number
    this.#file = next.#file
    // What it names are the same objects as before.
    const { editNumber, nextFileNumber } = next.#state
    this.#state = { ...this.#state, editNumber, nextFileNumber }
    this.#length = next.#length
    this.#checksum = next.#checksum
    this.#longLength = next.#longLength
    replaced.file.closeSync()
    this.#onReplaced(replaced.number)
  }

  /** Whether a successor that could not be begun left everything as it was: nothing was synced in vain, and CURRENT
   * surely names this manifest. */
  #mayGoOn(error: unknown): boolean {
    if (!(error instanceof Error) || !('syscall' in error) || !('code' in error)) return false
    const { syscall, code } = error
    // Somebody else's file has its name.
    if (code === 'EEXIST') return false
    if (syscall === 'rename') return REFUSED.has(code)
    if (!BEFORE_RENAME.has(String(syscall))) return false
    const { fs, directory } = this.#parts
    // Once CURRENT is renamed only the directory is opened. There may be no descriptor left for a look.
    if (syscall !== 'open' || !('path' in error) || error.path !== directory) return true
    try {
      return readCurrent(fs, directory).manifest === this.#number
    } catch {
      return false
    }
  }

  /**
   * A write refused for want of space is undone and may be tried again; any other failure is final.
   */
  async #write(bytes: Buffer): Promise<void> {
    try {
      if (bytes.length <= ASYNC_WRITE_BYTES) this.#file.writeSync(bytes, this.#length)
      else await this.#file.write(bytes, this.#length)
    } catch (error) {
      if (!isFull(error)) this.#fail(error)
      else this.#undo()
      throw error
    }
  }

  #undo(): void {
    try {
      this.#file.truncateSync(this.#length)
    } catch (error) {
      this.#fail(error)
    }
  }

  #fail(error: unknown): void {
    this.#failure = error
    this.#onFailure(error)
  }

  #findLoss(): SettError | undefined {
    const { fs, directory, checkLock } = this.#parts
    try {
      checkLock?.()
      if (!this.#named) return undefined
      if (fs.statSync(currentPath(directory)) === undefined) {
        return lost(`CURRENT is gone from ${directory}`)
      }
      const { manifest } = readCurrent(fs, directory)
      return this.isCurrent(manifest)
        ? undefined
        : lost(`CURRENT in ${directory} names another manifest`)
    } catch (error) {
      // A look that fails, for want of descriptors for instance, is no sign of another owner.
      return error instanceof SettError && error.code === 'SETT_POISONED' ? error : undefined
    }
  }

  #requireUsable(): void {
    if (this.#loss !== undefined) throw this.#loss
    if (this.#failure !== undefined) {
      throw new SettError(
        'SETT_POISONED',
        'An earlier write failed, so what is on disk is unknown. Reopen the database.',
        this.#failure,
      )
    }
    if (this.#closed) {
      throw new SettError('LEVEL_DATABASE_NOT_OPEN', 'The database is closed. Open it again.')
    }
  }
}

/** Replaces CURRENT: the new content is durable under another name before it takes the real one. */
async function writeCurrent(
  parts: Pick<ManifestParts, 'fs' | 'directory' | 'sync'>,
  current: CurrentFile,
): Promise<void> {
  const { fs, directory, sync } = parts
  const temp = currentTempPath(directory)
  if (fs.statSync(temp) !== undefined) fs.removeSync(temp)
  const file = fs.openSync(temp, 'create')
  try {
    file.writeSync(encodeCurrent(current), 0)
    await sync(file)
  } finally {
    file.closeSync()
  }
  fs.renameSync(temp, currentPath(directory))
  await fs.syncDirectory(directory)
}

function lost(what: string): SettError {
  return new SettError(
    'SETT_POISONED',
    `${what}, so another process has the database by now. This one writes and deletes nothing more in it. ` +
      'Close it, see to it that one process opens the database, and open it again.',
  )
}

function isFull(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOSPC' || code === 'EDQUOT'
}
