// The input tables of a job: all opened and checked before the first entry is read, closed together at the end.
import { assert } from '../base/assert.ts'
import type { KernelHeap } from '../cursor/words.ts'
import type { FileSystem } from '../io/file-system.ts'
import type { TableMeta } from '../manifest/levels.ts'
import type { Region } from '../memory/shared-heap.ts'
import type { TableBlocks } from '../sstable/table-blocks.ts'
import { openTableParts } from '../sstable/table-parts.ts'
import { openBlockList } from '../sstable/table-recheck.ts'
import type { TableOpener } from '../sstable/table-source.ts'

export interface JobTablesPlan {
  readonly fs: FileSystem
  readonly directory: string
  readonly tables: readonly TableMeta[]
  /** 8 bytes per table that stay, for the salts. */
  readonly salts: number
  /** Used only while the tables are opened. */
  readonly buffer: Region
  /** Reading begins at this key; undefined: at the first one. */
  readonly start?: Uint8Array | undefined
}

export class JobTables implements TableOpener {
  readonly #tables = new Map<number, TableBlocks>()

  constructor(machine: KernelHeap, plan: JobTablesPlan) {
    const { fs, directory, buffer } = plan
    try {
      for (const [i, meta] of plan.tables.entries()) {
        const { file, footer, properties } = openTableParts(fs, directory, meta)
        try {
          const saltAddress = plan.salts + 8 * i
          machine.heap.bytes.set(footer.salt, saltAddress)
          const place = { file, footer, properties, saltAddress, buffer }
          this.#tables.set(meta.number, openBlockList(machine, place, meta, plan.start))
        } catch (error) {
          file.closeSync()
          throw error
        }
      }
    } catch (error) {
      this.close()
      throw error
    }
  }

  acquire(meta: TableMeta): TableBlocks {
    const table = this.#tables.get(meta.number)
    assert(table !== undefined, 'a job reads the tables of its spec')
    return table
  }

  release(_table: TableBlocks): void {
    // They stay open for the job's length.
  }

  /** Idempotent. */
  close(): void {
    for (const table of this.#tables.values()) table.file.closeSync()
    this.#tables.clear()
  }
}
