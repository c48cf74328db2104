// The immutable picture of all levels: plain data, cloneable between threads.
import type { TableMeta } from '../format/table-meta.ts'

export type { TableMeta } from '../format/table-meta.ts'

/** levels[0]: newest first, ranges may overlap. levels[1..6]: by key, no user key in two tables. */
export type Levels = readonly (readonly TableMeta[])[]
