// What becomes of a measuring command's records: printed, written down, drawn, kept.
import { existsSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname } from 'node:path'
import type { Command } from 'commander'
import { keepRecord } from '../output/history.ts'
import type { RunRecord } from '../output/record.ts'
import { writeReport } from '../report/write-report.ts'
import { UsageError } from './errors.ts'
import { path } from './flags.ts'
import { exitCodeOf } from './matrix.ts'

export interface OutcomeFlags {
  readonly directory: string
  readonly json?: string
  readonly report?: string
  readonly keep?: boolean
}

export function addOutcomeFlags(program: Command): Command {
  return program
    .option('--directory <path>', 'where the databases lie for the while', path, tmpdir())
    .option('--json <file>', 'writes the record', path)
    .option('--report <file.html>', 'writes one page with charts', path)
    .option('--keep', 'appends the record to bench/history')
    .allowExcessArguments(false)
    .exitOverride()
}

/** The command line as a record states it: without the paths, which say nothing to anyone else. */
export function statedCommand(name: string, args: readonly string[]): string {
  const named = /^--(?:directory|json|report)(=|$)/
  const stated = args.filter((arg, at) => {
    if (named.test(arg)) return false
    const before = args[at - 1]
    return before === undefined || before.includes('=') || !named.test(before)
  })
  return [name, ...stated].join(' ')
}

/** Before anything is measured: throws a UsageError where a file could not be written afterwards. */
export function requireFolders({ json, report }: OutcomeFlags): void {
  for (const file of [json, report]) {
    if (file !== undefined && !existsSync(dirname(file))) {
      throw new UsageError(`${file} cannot be written: there is no folder ${dirname(file)}`)
    }
  }
}

/** Hands back the command's exit code. Takes what is printed, and the record it was made from. */
export async function deliver(
  text: string,
  record: RunRecord,
  { json, report, keep }: OutcomeFlags,
): Promise<number> {
  process.stdout.write(`${text}\n`)
  if (json !== undefined) writeFileSync(json, `${JSON.stringify(record)}\n`)
  if (keep === true) await keepRecord(record)
  if (report !== undefined) writeReport(record, report)
  return exitCodeOf(record)
}
