// npm run bench:micro: kernels and codecs beside their twins, and what the engine's smallest steps cost.
import { writeFileSync } from 'node:fs'
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { describeMachine, machineFacts } from '../output/machine.ts'
import type { MachineFacts } from '../output/record.ts'
import { table } from '../output/table.ts'
import { AREAS } from './areas/all-areas.ts'
import type { Area } from './case.ts'
import { type Measured, measure, type Timing } from './measure.ts'

const DEFAULT_TIME_MS = 200

interface Flags {
  readonly only?: string
  readonly time: number
  readonly json?: string
}

function milliseconds(text: string): number {
  const value = Number(text)
  if (text.trim() === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('It must be a number of milliseconds above 0.')
  }
  return value
}

/** Those whose `area/name` contains the text. */
function chosen(only: string | undefined): readonly Area[] {
  const wanted = (only ?? '').toLowerCase()
  return AREAS.map(({ name, cases }) => ({
    name,
    cases: cases.filter((one) => `${name}/${one.name}`.toLowerCase().includes(wanted)),
  })).filter(({ cases }) => cases.length > 0)
}

function knownNames(): string {
  return AREAS.flatMap(({ name, cases }) => cases.map((one) => `  ${name}/${one.name}`)).join('\n')
}

function nanoseconds(value: number): string {
  return value < 100 ? value.toFixed(1) : Math.round(value).toLocaleString('en')
}

function percent({ nanoseconds: median, deviation }: Timing): string {
  return `${((deviation / median) * 100).toFixed(1)} %`
}

function row({ name, ours, twin }: Measured): readonly string[] {
  const twinCells =
    twin === undefined
      ? ['–', '–', '–']
      : [
          nanoseconds(twin.nanoseconds),
          percent(twin),
          `${(twin.nanoseconds / ours.nanoseconds).toFixed(1)} ×`,
        ]
  return [`  ${name}`, nanoseconds(ours.nanoseconds), percent(ours), ...twinCells]
}

function printed(results: readonly Measured[]): string {
  const rows: (readonly string[])[] = [['case', 'ns/op', '±', 'twin ns/op', '±', 'twin / ours']]
  for (const [at, result] of results.entries()) {
    if (results[at - 1]?.area !== result.area) rows.push([result.area, '', '', '', '', ''])
    rows.push(row(result))
  }
  return table(rows)
}

function conditions(before: MachineFacts, timeMs: number): string {
  const [, loadAtEnd] = machineFacts('.').load
  return [
    describeMachine({ ...before, load: [before.load[0], loadAtEnd] }),
    `medians of samples over ${timeMs} ms a side; ± is the median distance of a sample from them`,
  ].join('\n')
}

async function run(flags: Flags): Promise<number> {
  const areas = chosen(flags.only)
  if (areas.length === 0) {
    process.stderr.write(`No case contains '${flags.only}'. Known:\n${knownNames()}\n`)
    return 2
  }
  const before = machineFacts('.')
  const results: Measured[] = []
  for (const { name, cases } of areas) {
    for (const one of cases) {
      if (process.stderr.isTTY) process.stderr.write(`\x1b[2K\r${name}/${one.name}\r`)
      results.push(await measure(name, one, flags.time))
    }
  }
  if (process.stderr.isTTY) process.stderr.write('\x1b[2K')
  const about = conditions(before, flags.time)
  process.stdout.write(`${printed(results)}\n\n${about}\n`)
  if (flags.json !== undefined) {
    const record = { date: new Date().toISOString(), about, timeMs: flags.time, results }
    writeFileSync(flags.json, `${JSON.stringify(record, null, 2)}\n`)
  }
  return 0
}

async function main(): Promise<number> {
  const command = new Command('bench:micro')
    .description('Time per operation of kernels, codecs and small steps, beside their slow twins.')
    .option('--only <text>', 'only cases whose area/name contains it')
    .option('--time <ms>', 'time per side of a case', milliseconds, DEFAULT_TIME_MS)
    .option('--json <file>', 'also write the figures there')
    .addHelpText('after', `\nCases:\n${knownNames()}`)
    .allowExcessArguments(false)
    .exitOverride()
  try {
    command.parse()
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
    throw error
  }
  return run(command.opts<Flags>())
}

process.exitCode = await main()
