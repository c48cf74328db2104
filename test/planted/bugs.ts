// The bugs: a patch each, in folders by what they break. Above the diff stand what the bug is, which files of the
// default suite must catch it, and, for what runs in threads, that the build must be made anew.
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type FilePatch, parsePatch } from './patch.ts'

export interface Bug {
  /** `folder/name` */
  readonly name: string
  readonly what: string
  /** Test files. */
  readonly caughtBy: readonly string[]
  readonly needsBuild: boolean
  readonly files: readonly FilePatch[]
}

const BUGS = 'test/planted/bugs'

/** All of a checkout, by name. */
export function readBugs(root: string): Bug[] {
  const folder = join(root, BUGS)
  const names = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith('.patch'))
    .map((name) => name.replaceAll('\\', '/').slice(0, -'.patch'.length))
  return names
    .sort()
    .map((name) => parseBug(name, readFileSync(join(folder, `${name}.patch`), 'utf8')))
}

export function parseBug(name: string, text: string): Bug {
  const head = text.slice(0, text.indexOf('\n--- a/') + 1)
  const [what = '', ...facts] = head.trim().split(/\n\n|\n(?=Caught by:|Needs:)/)
  const fact = (label: string): string =>
    facts.find((line) => line.startsWith(`${label}:`))?.slice(label.length + 1) ?? ''
  return {
    name,
    what: what.replaceAll('\n', ' '),
    caughtBy: fact('Caught by')
      .split(/[\s,]+/)
      .filter((file) => file !== ''),
    needsBuild: fact('Needs').trim() === 'build',
    files: parsePatch(text.slice(head.length)),
  }
}
