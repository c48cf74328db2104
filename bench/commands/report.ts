// `node dist/bench/main.js report --from <file> --out <file.html>`: the page of a record that is already there.
import { existsSync } from 'node:fs'
import { dirname } from 'node:path'
import { Command, InvalidArgumentError } from 'commander'
import { readRecords } from '../output/history.ts'
import type { RunRecord } from '../output/record.ts'
import { writeReport } from '../report/write-report.ts'
import { UsageError } from './errors.ts'
import { path } from './flags.ts'

interface Flags {
  readonly from: string
  readonly line: number | 'last'
  readonly out: string
}

export async function reportCommand(args: readonly string[]): Promise<number> {
  const { from, line, out } = reportProgram()
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  if (!existsSync(from)) throw new UsageError(`there is no file ${from} to read a record from`)
  if (!existsSync(dirname(out))) {
    throw new UsageError(`${out} cannot be written: there is no folder ${dirname(out)}`)
  }
  const record = chosen(readRecords(from), line, from)
  writeReport(record, out)
  process.stdout.write(`${out}: ${record.kind} of ${record.date}\n`)
  return 0
}

function chosen(records: readonly RunRecord[], line: number | 'last', from: string): RunRecord {
  const record = line === 'last' ? records.at(-1) : records[line - 1]
  if (record !== undefined) return record
  throw new UsageError(`${from} has ${records.length} records; --line ${line} is not among them`)
}

function lineNumber(text: string): number | 'last' {
  if (text === 'last') return text
  if (!/^[1-9]\d*$/.test(text)) {
    throw new InvalidArgumentError("It must be a line number from 1, or 'last'.")
  }
  return Number(text)
}

function reportProgram(): Command {
  return new Command('bench report')
    .description('one self-contained page with the charts and tables of a record')
    .requiredOption('--from <file>', 'a history (.ndjson), or what --json wrote', path)
    .requiredOption('--out <file.html>', 'replaced if it is there', path)
    .option('--line <n>', 'which record of a history', lineNumber, 'last')
    .allowExcessArguments(false)
    .exitOverride()
}
