// An explicit snapshot: a read version kept alive until the snapshot is closed. Main thread.
import { AbstractSnapshot } from 'abstract-level'
import { SettError } from '../base/errors.ts'
import type { Engine, Pin, ReadPoint } from '../engine/types.ts'

interface SnapshotOwner {
  readonly owner: object
}

/** The published types leave the constructor's argument out. */
const SnapshotBase: new (options: SnapshotOwner) => AbstractSnapshot =
  AbstractSnapshot as unknown as new (
    options: SnapshotOwner,
  ) => AbstractSnapshot

/** What the database looked like at one version and time: what expires later is not hidden from it. Close it when
 * done: it keeps old versions on disk. */
export class Snapshot extends SnapshotBase {
  readonly #engine: Engine
  readonly #pin: Pin

  constructor(engine: Engine, options: SnapshotOwner) {
    super(options)
    this.#engine = engine
    this.#pin = engine.pin()
  }

  /** The version this snapshot reads at. */
  get version(): number {
    return this.#pin.version
  }

  /** Internal: its version and time. */
  get point(): ReadPoint {
    return this.#pin
  }

  /** Internal: true for snapshots of this engine. */
  isOf(engine: Engine): boolean {
    return this.#engine === engine
  }

  async _close(): Promise<void> {
    this.#pin.release()
  }
}

/** What to read at; undefined: now. */
export function pointOf(engine: Engine, snapshot: unknown): ReadPoint | undefined {
  if (snapshot === undefined || snapshot === null) return undefined
  if (snapshot instanceof Snapshot && snapshot.isOf(engine)) return snapshot.point
  throw new SettError(
    'SETT_INVALID_OPTION',
    "Option 'snapshot' must come from snapshot() of the same open database. Take a new one.",
  )
}
