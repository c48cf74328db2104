// The part of the public API the harnesses use, and the one place that says which store they drive.
// The class comes in as a parameter: the source tree inside vitest, the built package everywhere else.
import type { AbstractLevel } from 'abstract-level'

export interface StoreStats {
  readonly levels: readonly {
    readonly level: number
    readonly tables: number
    readonly entries: number
  }[]
  readonly memtables: readonly { readonly entries: number }[]
  readonly flushes: number
  readonly compactions: number
}

export interface StoreEntry {
  readonly key: Buffer
  readonly value: Buffer
  readonly version: number
}

/** A database with Buffer keys and values. */
export interface Store extends AbstractLevel<Buffer, Buffer, Buffer> {
  readonly version: number
  getEntry(key: Buffer): StoreEntry | undefined | Promise<StoreEntry | undefined>
  flush(): Promise<void>
  compactRange(start?: Buffer, end?: Buffer): Promise<void>
  collectGarbage(): Promise<unknown>
  settle(): Promise<void>
  stats(): StoreStats
}

export type StoreOptions = Readonly<Record<string, unknown>>
export type StoreClass = new (location: string, options: StoreOptions) => Store

/** Opens a database with Buffer encodings. `klass` is Sett's `Database`. */
export async function openStore(
  klass: unknown,
  location: string,
  options: StoreOptions,
): Promise<Store> {
  const StoreConstructor = klass as StoreClass
  const store = new StoreConstructor(location, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    ...options,
  })
  await store.open()
  return store
}
