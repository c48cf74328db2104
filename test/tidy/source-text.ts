// What the checks work on: paths and texts. Reading them from disk happens here and nowhere else in this folder.
import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, posix } from 'node:path'
import { fileURLToPath } from 'node:url'

export interface SourceText {
  /** Relative to the repository, with forward slashes. */
  readonly path: string
  readonly text: string
}

export interface Problem {
  readonly path: string
  readonly line: number
  readonly message: string
}

export function describeProblem({ path, line, message }: Problem): string {
  return `${path}:${line}: ${message}`
}

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const LEFT_OUT = new Set(['node_modules', 'dist', 'coverage', '.git', '.scratch'])
const READ = /(?:\.(?:ts|mjs|js|json|md|yml|yaml)|^run)$/

/** Every text file of the repository that a person wrote. */
export function repositoryTexts(): SourceText[] {
  const found: SourceText[] = []
  const visit = (folder: string): void => {
    for (const entry of readdirSync(join(ROOT, folder), { withFileTypes: true })) {
      const path = posix.join(folder, entry.name)
      if (entry.isDirectory()) {
        if (!LEFT_OUT.has(entry.name)) visit(path)
      } else if (entry.isFile() && READ.test(entry.name) && entry.name !== 'package-lock.json') {
        found.push({ path, text: readFileSync(join(ROOT, path), 'utf8') })
      }
    }
  }
  visit('.')
  return found.sort((a, b) => (a.path < b.path ? -1 : 1))
}

export function isTypeScript(file: SourceText): boolean {
  return file.path.endsWith('.ts')
}

export function isGenerated(file: SourceText): boolean {
  return file.path.includes('/generated/')
}

/** The room of src/ a file lies in, or undefined. */
export function roomOf(path: string): string | undefined {
  return /^src\/([^/]+)\//.exec(path)?.[1]
}

export interface Import {
  readonly specifier: string
  readonly line: number
}

const IMPORT = new RegExp(
  [
    /(?:^|[\s;}])(?:import|export)\s(?:[^'"`;]*?\sfrom\s)?\s*['"]([^'"\n]+)['"]/,
    /\bimport\(\s*['"]([^'"\n]+)['"]\s*\)/,
    /\bnew URL\(\s*['"](\.[^'"\n]+)['"]/,
  ]
    .map((each) => each.source)
    .join('|'),
  'g',
)

export function importsOf(text: string): Import[] {
  const code = blankOut(text, 'comments')
  const found: Import[] = []
  for (const match of code.matchAll(IMPORT)) {
    const specifier = match[1] ?? match[2] ?? match[3] ?? ''
    found.push({ specifier, line: lineAt(code, match.index + match[0].length) })
  }
  return found
}

/** The repository path a relative specifier leads to. */
export function resolveImport(from: string, specifier: string): string | undefined {
  return specifier.startsWith('.') ? posix.join(dirname(from), specifier) : undefined
}

export function lineAt(text: string, offset: number): number {
  let line = 1
  for (let at = text.indexOf('\n'); at !== -1 && at < offset; at = text.indexOf('\n', at + 1))
    line++
  return line
}

/** A regular expression may follow these; elsewhere a slash divides. */
const BEFORE_REGEX = /(?:^|[(,=:[!&|?{};+\-*%<>^~]|\b(?:return|typeof|case|in|of|await))\s*$/

/** The text with comments (and strings) replaced by spaces: same length, same lines. */
export function blankOut(text: string, what: 'comments' | 'comments and strings'): string {
  // Code units, so that offsets stay those of the text.
  const out = text.split('')
  const blank = (from: number, to: number): void => {
    for (let i = from; i < to; i++) if (out[i] !== '\n') out[i] = ' '
  }
  let at = 0
  let codeFrom = 0
  while (at < out.length) {
    const end = endOfToken(text, at, codeFrom)
    if (end === undefined) {
      at++
      continue
    }
    if (end.kind === 'comment') blank(at, end.at)
    else if (what === 'comments and strings') blank(at + 1, end.at - 1)
    at = end.at
    codeFrom = end.kind === 'comment' ? codeFrom : at
  }
  return out.join('')
}

/** Where the comment or string that starts at `at` ends, or undefined if none starts there. */
function endOfToken(
  text: string,
  at: number,
  codeFrom: number,
): { readonly kind: 'comment' | 'string'; readonly at: number } | undefined {
  const character = text[at]
  if (character === '/' && text[at + 1] === '/') {
    const end = text.indexOf('\n', at)
    return { kind: 'comment', at: end === -1 ? text.length : end }
  }
  if (character === '/' && text[at + 1] === '*') {
    const end = text.indexOf('*/', at + 2)
    return { kind: 'comment', at: end === -1 ? text.length : end + 2 }
  }
  if (character === "'" || character === '"' || character === '`') {
    return { kind: 'string', at: endOfQuoted(text, at, character) }
  }
  if (character === '/' && BEFORE_REGEX.test(text.slice(Math.max(codeFrom, at - 40), at))) {
    return { kind: 'string', at: endOfQuoted(text, at, '/') }
  }
  return undefined
}

function endOfQuoted(text: string, from: number, quote: string): number {
  let inClass = false
  for (let at = from + 1; at < text.length; at++) {
    const character = text[at]
    if (character === '\\') at++
    else if (character === '\n' && quote !== '`') return at
    else if (quote === '/' && character === '[') inClass = true
    else if (quote === '/' && character === ']') inClass = false
    else if (character === quote && !inClass) return at + 1
  }
  return text.length
}
