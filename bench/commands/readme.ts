// `npm run bench:readme [-- --check]`: the figures in README.md come from the newest kept runs and from nowhere else.
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Command } from 'commander'
import { latestRecord, packageRoot } from '../output/history.ts'
import { performanceSection } from '../report/readme-section.ts'

interface Flags {
  readonly check?: boolean
}

const BEGIN = '<!-- bench:begin -->'
const END = '<!-- bench:end -->'

export async function readmeCommand(args: readonly string[]): Promise<number> {
  const { check } = readmeProgram()
    .parse([...args], { from: 'user' })
    .opts<Flags>()
  const file = join(packageRoot(), 'README.md')
  const found = readFileSync(file, 'utf8')
  const wanted = withSection(found, performanceSection(latestRecord('db'), latestRecord('badger')))
  if (wanted === found) {
    process.stdout.write('README.md has the figures of the newest kept run\n')
    return 0
  }
  if (check === true) {
    process.stderr.write('README.md differs from the newest kept run: npm run bench:readme\n')
    return 1
  }
  writeFileSync(file, wanted)
  process.stdout.write('README.md: the performance section is written anew\n')
  return 0
}

/** The text with what lies between the marks replaced. Throws unless each mark is there once, in order. */
export function withSection(readme: string, section: string): string {
  const [head, rest, ...more] = readme.split(BEGIN)
  const [old, tail, ...further] = rest?.split(END) ?? []
  if (tail === undefined || old === undefined || more.length > 0 || further.length > 0) {
    throw new Error(`README.md must have ${BEGIN} and ${END}, once each and in this order`)
  }
  return `${head}${BEGIN}\n\n${section}\n\n${END}${tail}`
}

function readmeProgram(): Command {
  return new Command('bench readme')
    .description("writes README.md's performance section from the newest kept runs")
    .option('--check', 'writes nothing; exit code 1 when it would')
    .allowExcessArguments(false)
    .exitOverride()
}
