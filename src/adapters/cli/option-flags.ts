// Command-line flags from the option table: one flag per option, its text, check and unit from the row.
import { type Command, InvalidArgumentError, Option } from 'commander'
import {
  OPTION_NAMES,
  OPTION_TABLE,
  type OptionName,
  type Options,
} from '../../base/option-table.ts'

/** Options a command decides itself. */
const DECIDED: ReadonlySet<OptionName> = new Set([
  'readOnly',
  'inMemory',
  'createIfMissing',
  'errorIfExists',
  'workerUrl',
])

const FLAGS: readonly OptionName[] = OPTION_NAMES.filter(
  (name) => OPTION_TABLE[name].flag && !DECIDED.has(name),
)

/** `names`: no more than these. */
export function addOptionFlags(command: Command, names: readonly OptionName[] = FLAGS): Command {
  command.optionsGroup('Database options:')
  for (const name of names) {
    const { doc, rule, unit } = OPTION_TABLE[name]
    const value = unit === '' ? 'value' : unit
    const option = new Option(`--${kebab(name)} <${value}>`, `${doc}${words(name)}`)
    command.addOption(option.argParser((text: string) => parseFlag(name, text, rule)))
  }
  return command
}

/** The database options among all parsed ones. */
export function pickOptions(parsed: { readonly [name: string]: unknown }): Options {
  const picked: Record<string, unknown> = Object.create(null)
  for (const name of FLAGS) {
    if (parsed[name] !== undefined) picked[name] = parsed[name]
  }
  return picked
}

function parseFlag(name: OptionName, text: string, rule: string): unknown {
  const row = OPTION_TABLE[name]
  const value = row.parse(text)
  if (value === undefined || row.check(value) === undefined) {
    throw new InvalidArgumentError(`It ${rule}.`)
  }
  return value
}

/** The words an option takes, where it takes any: ` (sync, none, ms)`. */
function words(name: OptionName): string {
  const { type } = OPTION_TABLE[name]
  if (!type.includes("'")) return ''
  const plain = type.replaceAll("'", '').replace('{ interval: number }', 'ms')
  return ` (${plain.replaceAll(' | ', ', ')})`
}

function kebab(name: string): string {
  return name.replace(/([A-Z]|\d+)/g, (part) => `-${part.toLowerCase()}`).replace('l-0-', 'l0-')
}
