// repair(): makes a database that does not open, or not wholly, open again, and tells what was lost.

import type { Options } from '../base/option-table.ts'
import { checkOption, resolveOptions } from '../base/options.ts'
import { repairDirectory } from '../engine/repair/repair.ts'
import type { RepairReport } from '../engine/repair/report.ts'
import { checkLocation } from './database-options.ts'
import { systemFailure } from './system-failure.ts'

const NAMES = [
  'workers',
  'workerUrl',
  'lockTimeout',
  'lock',
  'logger',
  'preset',
  'memtableSize',
  'blockSize',
  'tableSize',
  'compression',
  'bloomFalsePositiveRate',
  'valueThreshold',
  'segmentSize',
  'segmentMaxEntries',
] as const

/** How the work is done, and how what has to be written anew is laid out; what the database holds does not depend on
 * it. Nothing in the directory tells what the database was opened with: give the options for its layout again, or
 * those of the preset hold for what is written. */
export type RepairOptions = Pick<Options, (typeof NAMES)[number]>

/**
 * Repairs the database in `location`: keeps every entry that verifies, never makes one up, and tells what was
 * lost. A manifest that is whole decides what counts; without one it is rebuilt from the tables. Nothing is
 * deleted: files that are not part of the result move to a folder `lost+found-…` inside the directory, which
 * `destroy` knows. Needs room for what it rewrites. Fails with LEVEL_LOCKED while it is open anywhere, and with
 * SETT_NOT_A_DATABASE when there is nothing to repair; a repair that failed or was killed can be run again.
 */
export async function repair(location: string, options: RepairOptions = {}): Promise<RepairReport> {
  checkLocation(location)
  const picked: Record<string, unknown> = {}
  for (const name of NAMES) {
    if (options[name] !== undefined) picked[name] = checkOption(name, options[name])
  }
  try {
    return await repairDirectory(location, resolveOptions(picked))
  } catch (error) {
    throw systemFailure(location, error)
  }
}
