// Words and shapes that have no place in the repository.
import { BARRELS } from '../floors.ts'
import { isGenerated, isTypeScript, type Problem, type SourceText } from '../source-text.ts'

interface Banned {
  readonly pattern: RegExp
  readonly where: RegExp
  readonly message: string
}

const CODE = /\.(?:ts|mjs|js)$/
// Spelled in pieces, so that this file passes its own check.
const DIRECTIVES = [
  '@ts-' + 'ignore',
  '@ts-' + 'nocheck',
  '@ts-' + 'expect-error',
  'biome-' + 'ignore',
]
const UNFINISHED = ['TO' + 'DO', 'FIX' + 'ME', 'XX' + 'X', 'HA' + 'CK']

const BANNED: readonly Banned[] = [
  {
    pattern: new RegExp(`\\b(?:${UNFINISHED.join('|')})\\b`),
    where: /\.(?:ts|mjs|js|md|yml)$|run$/,
    message: 'marks unfinished work. Finish it, or write an issue',
  },
  {
    pattern: new RegExp(DIRECTIVES.join('|')),
    where: CODE,
    message: 'silences a tool. Change the code until the tool agrees',
  },
  {
    pattern: /^export default\b/,
    where: /^(?:src|workers|test|bench|examples)\/.*\.ts$/,
    message: 'is a default export. Export it by name',
  },
  {
    pattern: /\bas any\b|: any\b|<any>/,
    where: /^(?:src|workers)\/.*\.ts$/,
    message: 'switches the type checker off. Say the type, or check it and narrow',
  },
  {
    pattern: /(?:^|[\s'"`(=])\/(?:home|Users|root|work|workspace|mnt)\/\w|\b[A-Z]:\\Users\\/,
    where: /./,
    message: 'is a path of one machine. Compute it from import.meta.url, or use a relative one',
  },
]

export function checkWording(files: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  for (const file of files.filter((each) => !isGenerated(each))) {
    const banned = BANNED.filter(({ where }) => where.test(file.path))
    file.text.split('\n').forEach((line, index) => {
      for (const { pattern, message } of banned) {
        const match = pattern.exec(line)
        if (match === null) continue
        const found = match[0].trim()
        problems.push({ path: file.path, line: index + 1, message: `\`${found}\` ${message}` })
      }
    })
  }
  return problems
}

/** `index.ts` and other names that say nothing. */
export function checkFileNames(files: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  for (const { path } of files.filter(isTypeScript)) {
    const name = path.slice(path.lastIndexOf('/') + 1)
    if (name === 'index.ts' && !BARRELS.includes(path) && !path.startsWith('native-wasm/')) {
      const collecting = BARRELS.join(' and ')
      const message = `is a second barrel. Import files by their own names; only ${collecting} collect`
      problems.push({ path, line: 1, message })
    }
    if (/^(?:utils?|common|helpers?|misc)\.ts$/.test(name)) {
      const message = 'has a name that fits everything. Name it after what it holds'
      problems.push({ path, line: 1, message })
    }
    if (!/^[a-z0-9]+(?:-[a-z0-9]+)*(?:\.[a-z]+)*\.ts$/.test(name)) {
      problems.push({ path, line: 1, message: 'is not in kebab-case. Rename it' })
    }
  }
  return problems
}
