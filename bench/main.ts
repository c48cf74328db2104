#!/usr/bin/env node
// Entry of all bench commands: finds the command, maps how it ended to an exit code, nothing else.
import { CommanderError } from 'commander'
import { Interrupted, messageOf, UsageError } from './commands/errors.ts'

type Run = (args: readonly string[]) => Promise<number>

interface BenchCommand {
  readonly what: string
  readonly load: () => Promise<Run>
}

const DEFAULT = 'database'
const COMMANDS: { readonly [name: string]: BenchCommand } = {
  database: {
    what: 'Sett beside its Node peers, the default',
    load: async () => (await import('./commands/database.ts')).databaseCommand,
  },
  badger: {
    what: 'Sett beside BadgerDB, which needs go',
    load: async () => (await import('./commands/badger.ts')).badgerCommand,
  },
  ycsb: {
    what: 'the YCSB mixes A to F',
    load: async () => (await import('./commands/ycsb.ts')).ycsbCommand,
  },
  presets: {
    what: "Sett's presets beside each other",
    load: async () => (await import('./commands/presets.ts')).presetsCommand,
  },
  scaling: {
    what: 'more threads, more keys: speed and cost',
    load: async () => (await import('./commands/scaling.ts')).scalingCommand,
  },
  soak: {
    what: 'a long load, then idle: throughput, memory and space over time',
    load: async () => (await import('./soak/soak-command.ts')).soakCommand,
  },
  compare: {
    what: 'two git refs: faster, slower or noise',
    load: async () => (await import('./commands/compare.ts')).compareCommand,
  },
  report: {
    what: 'the page of a kept record',
    load: async () => (await import('./commands/report.ts')).reportCommand,
  },
  readme: {
    what: "the README's figures from a kept record",
    load: async () => (await import('./commands/readme.ts')).readmeCommand,
  },
}

async function run(given: readonly string[]): Promise<number> {
  const [first = ''] = given
  const named = first !== '' && !first.startsWith('-')
  const command = COMMANDS[named ? first : DEFAULT]
  if (command === undefined || !Object.hasOwn(COMMANDS, named ? first : DEFAULT)) {
    throw new UsageError(
      `no bench command is called '${first}'; known: ${Object.keys(COMMANDS).join(', ')}`,
    )
  }
  if (first === '--help' || first === '-h') process.stdout.write(commandList())
  return (await command.load())(named ? given.slice(1) : given)
}

function commandList(): string {
  const lines = Object.entries(COMMANDS).map(([name, { what }]) => `  ${name.padEnd(10)}${what}`)
  return `Commands, each with a --help of its own:\n${lines.join('\n')}\n\n`
}

function codeFor(error: unknown): number {
  // Commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? 0 : 2
  process.stderr.write(`bench: ${messageOf(error)}\n`)
  if (error instanceof Interrupted) return 130
  return error instanceof UsageError ? 2 : 1
}

// A reader that stops early, such as `head`, ends the command quietly.
process.stdout.on('error', (error: NodeJS.ErrnoException) => {
  process.exit(error.code === 'EPIPE' ? 0 : 1)
})

process.exitCode = await run(process.argv.slice(2)).catch(codeFor)
