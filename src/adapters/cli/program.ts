// The verbs, their arguments and flags. Parsing only: each verb hands over to its own file.
import { Command, CommanderError, InvalidArgumentError } from 'commander'
import { bench } from './bench-command.ts'
import { doctor, repairCommand, verify } from './care-commands.ts'
import { gc } from './gc-command.ts'
import { ingest } from './ingest/ingest.ts'
import { addOptionFlags, pickOptions } from './option-flags.ts'
import { del, get, put, type ScanRange, scan, type Target } from './record-commands.ts'
import { addSimulate } from './simulate-command.ts'
import { stats } from './stats-command.ts'
import { EXIT, line, rootError, type Terminal, UsageError } from './terminal.ts'
import { textForm } from './text-form.ts'

interface Flags {
  readonly db?: string
  readonly hex?: boolean
  readonly base64?: boolean
  readonly json?: boolean
  readonly keep?: boolean
  readonly [name: string]: unknown
}

type Finish = (code: number) => void

/** Runs one command line; resolves to the exit code and never rejects. */
export async function runCommand(
  given: readonly string[],
  terminal: Terminal,
  version: string,
): Promise<number> {
  let code: number = EXIT.ok
  const program = buildProgram(terminal, version, (result) => {
    code = result
  })
  try {
    await program.parseAsync([...given], { from: 'user' })
    return code
  } catch (error) {
    return failure(error, terminal, given.includes('--json'))
  }
}

function failure(error: unknown, terminal: Terminal, json: boolean): number {
  // Commander has printed its own message.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.ok : EXIT.usage
  const { code, message } = rootError(error)
  line(terminal.stderr, json ? JSON.stringify({ error: { code, message } }) : `${code}: ${message}`)
  return error instanceof UsageError ? EXIT.usage : EXIT.error
}

function buildProgram(terminal: Terminal, version: string, finish: Finish): Command {
  const program = new Command('sett')
    .description('Embedded, ordered key-value database: look into one, or fill one.')
    .version(version)
    // So that what follows a verb is the verb's.
    .enablePositionalOptions()
    .exitOverride()
    .configureOutput({
      writeOut: (text) => void terminal.stdout.write(text),
      writeErr: (text) => void terminal.stderr.write(text),
      getOutHasColors: () => false,
      getErrHasColors: () => false,
    })
    .showHelpAfterError('Run with --help for usage.')
  addIngest(program, terminal, finish)
  addRecordCommands(program, terminal, finish)
  addScan(program, terminal, finish)
  addOptionFlags(addCommon(program.command('stats').description('levels, log and options')))
    // Indirect, so that every command gets its parsed flags in the same way.
    .action(async (flags: Flags) => finish(await stats(terminal, target(flags))))
  addBench(program, finish)
  addSimulate(program, terminal, finish)
  addCareCommands(program, terminal, finish)
  addGc(program, terminal, finish)
  return program
}

function addCommon(command: Command): Command {
  return command
    .option('-d, --db <directory>', 'the database', directory)
    .option('--hex', 'keys and values are hexadecimal')
    .option('--base64', 'keys and values are base64')
    .option('--json', 'print JSON')
}

function target(flags: Flags): Target {
  if (flags.db === undefined) throw new UsageError('Which database? Name its directory with --db.')
  const options = pickOptions(flags)
  return { db: flags.db, options, form: textForm(flags), json: flags.json === true }
}

function addIngest(program: Command, terminal: Terminal, finish: Finish): void {
  const command = program
    .command('ingest')
    .description('store every file below a directory, read all back, compare')
    .argument('<directory>', 'where the files are')
    .option('-d, --db <directory>', 'the database; without it a temporary one', directory)
    .option('--keep', 'keep the temporary database')
    .option('--json', 'print JSON')
  addOptionFlags(command).action(async (source: string, flags: Flags) => {
    const { db, keep = false, json = false } = flags
    finish(await ingest(terminal, { source, db, keep, json, options: pickOptions(flags) }))
  })
}

function addCareCommands(program: Command, terminal: Terminal, finish: Finish): void {
  const command = (name: string, description: string): Command =>
    addOptionFlags(addCommon(program.command(name).description(description)))
  command('verify', 'read every file back: checksums, order, counts').action(async (flags: Flags) =>
    finish(await verify(terminal, target(flags))),
  )
  command('doctor', 'look for what is wrong, and say what to do; reads only').action(
    async (flags: Flags) => finish(await doctor(terminal, target(flags))),
  )
  command('repair', 'save what verifies of a damaged database, and tell what is lost').action(
    async (flags: Flags) => finish(await repairCommand(terminal, target(flags))),
  )
}

function addGc(program: Command, terminal: Terminal, finish: Finish): void {
  const command = addCommon(
    program.command('gc').description('free segments of the value log that hold garbage'),
  )
    .option(
      '--ratio <share>',
      'only those with more garbage than this, 0 to below 1',
      shareBelowOne,
    )
    .option('--compact', 'merge everything first, so that what was overwritten or deleted counts')
  addOptionFlags(command).action(async (flags: Flags) => {
    const ratio = flags['ratio'] as number | undefined
    finish(await gc(terminal, target(flags), { ratio, compact: flags['compact'] === true }))
  })
}

function addRecordCommands(program: Command, terminal: Terminal, finish: Finish): void {
  const command = (name: string, description: string): Command =>
    addOptionFlags(addCommon(program.command(name).description(description)))
  command('get', 'print the value of a key')
    .argument('<key>')
    .action(async (key: string, flags: Flags) => finish(await get(terminal, target(flags), key)))
  command('put', 'store a value; without one, from standard input')
    .argument('<key>')
    .argument('[value]')
    .option('--ttl <ms>', 'milliseconds after which the key is gone', positiveNumber)
    .action(async (key: string, value: string | undefined, flags: Flags) => {
      const ttl = flags['ttl'] as number | undefined
      finish(await put(terminal, target(flags), { key, value, ttl }))
    })
  command('del', 'delete a key')
    .argument('<key>')
    .action(async (key: string, flags: Flags) => finish(await del(terminal, target(flags), key)))
}

function addScan(program: Command, terminal: Terminal, finish: Finish): void {
  const command = addCommon(program.command('scan').description('print keys and values in order'))
    .option('--prefix <key>', 'keys that start with this')
    .option('--gt <key>', 'keys after this')
    .option('--gte <key>', 'keys from this on')
    .option('--lt <key>', 'keys before this')
    .option('--lte <key>', 'keys up to this')
    .option('--limit <entries>', 'at most so many', wholeNumber)
    .option('--reverse', 'last key first')
    .option('--no-values', 'keys only')
  addOptionFlags(command).action(async (flags: Flags) => {
    finish(await scan(terminal, target(flags), flags as unknown as ScanRange))
  })
}

/** Its flags, and its --help, are those of the bench itself. */
function addBench(program: Command, finish: Finish): void {
  program
    .command('bench')
    .description('measure Sett beside other stores: sett bench --help')
    .argument('[arguments...]')
    .helpOption(false)
    .allowUnknownOption()
    .passThroughOptions()
    .action(async (given: readonly string[]) => finish(await bench(given)))
}

/** An unset shell variable must not become the current directory. */
function directory(text: string): string {
  if (text === '') throw new InvalidArgumentError('It must be the path of a directory.')
  return text
}

function positiveNumber(text: string): number {
  const value = Number(text)
  if (text === '' || !Number.isFinite(value) || value <= 0) {
    throw new InvalidArgumentError('It must be a positive number.')
  }
  return value
}

function shareBelowOne(text: string): number {
  const value = Number(text)
  if (text === '' || !(value >= 0 && value < 1)) {
    throw new InvalidArgumentError('It must be a number from 0 to below 1.')
  }
  return value
}

function wholeNumber(text: string): number {
  const value = Number(text)
  if (text === '' || !Number.isSafeInteger(value) || value < 0) {
    throw new InvalidArgumentError('It must be a whole number.')
  }
  return value
}
