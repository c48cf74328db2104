// Links in documents lead somewhere, and the files they name exist.
import { posix } from 'node:path'
import { lineAt, type Problem, type SourceText } from '../source-text.ts'

const LINK = /\[[^\]]*\]\(\s*<?([^)\s>]+)>?(?:\s+"[^"]*")?\s*\)/g
const NAMED_FILE =
  /`((?:src|workers|test|bench|docs|examples|native-wasm)\/[\w./-]+\.(?:ts|mjs|md|json))`/g

export interface Repository {
  readonly files: readonly SourceText[]
  /** Whether a path exists that is not among the files: a folder, a picture. */
  readonly exists: (path: string) => boolean
}

export function checkDocuments({ files, exists }: Repository): Problem[] {
  const texts = new Map(files.map((file) => [file.path, file.text]))
  const problems: Problem[] = []
  for (const { path, text } of files.filter((file) => file.path.endsWith('.md'))) {
    const prose = withoutCodeBlocks(text)
    for (const match of prose.matchAll(LINK)) {
      const message = linkComplaint(path, match[1] ?? '', texts, exists)
      if (message !== undefined) problems.push({ path, line: lineAt(prose, match.index), message })
    }
    for (const match of prose.matchAll(NAMED_FILE)) {
      const named = match[1] ?? ''
      if (texts.has(named) || exists(named)) continue
      const message = `names ${named}, which does not exist. Name the file that took its place`
      problems.push({ path, line: lineAt(prose, match.index), message })
    }
  }
  return problems
}

function linkComplaint(
  path: string,
  link: string,
  texts: ReadonlyMap<string, string>,
  exists: (path: string) => boolean,
): string | undefined {
  if (/^[a-z]+:/i.test(link)) return undefined
  const [file = '', anchor] = link.split('#')
  const target = file === '' ? path : posix.join(posix.dirname(path), file)
  const text = texts.get(target)
  if (text === undefined && !exists(target)) {
    return `links to ${target}, which does not exist. Correct the link`
  }
  if (anchor === undefined || text === undefined || !target.endsWith('.md')) return undefined
  if (anchors(text).has(anchor)) return undefined
  return `links to #${anchor}, but ${target} has no such heading. Correct the anchor`
}

/** The anchors a heading gets on the usual hosts: lower case, no punctuation, dashes for spaces. */
export function anchors(text: string): Set<string> {
  const found = new Set<string>()
  for (const match of withoutCodeBlocks(text).matchAll(/^#{1,6}\s+(.+?)\s*$/gm)) {
    const slug = (match[1] ?? '')
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .replace(/\s/g, '-')
    let unique = slug
    for (let count = 1; found.has(unique); count++) unique = `${slug}-${count}`
    found.add(unique)
  }
  return found
}

/** Same lines, so that line numbers stay true. */
function withoutCodeBlocks(text: string): string {
  return text.replace(/^(```|~~~)[\s\S]*?^\1/gm, (block) => block.replace(/[^\n]/g, ' '))
}
