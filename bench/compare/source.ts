// What the user wants compared, in words and as a commit or the working tree, with patches on top. Nothing is built
// before both sides are known to exist.
import { existsSync, readFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { messageOf, UsageError } from '../commands/errors.ts'
import { type ProgramPlace, runProgram } from './program.ts'

export interface Source {
  /** As given, with the commit it stands for. */
  readonly label: string
  /** Full hash; undefined: the working tree with its uncommitted changes. */
  readonly commit: string | undefined
  /** Absolute paths, applied in this order. */
  readonly patches: readonly string[]
}

export const WORKING_TREE = ['.', 'WORKTREE'] as const

/** Root of the checkout around `directory`; throws where that is none of Sett. */
export async function checkoutAround(directory: string, signal: AbortSignal): Promise<string> {
  const place = { cwd: directory, signal }
  const found = await runProgram('git', ['rev-parse', '--show-toplevel'], place).catch((cause) => {
    throw new Error(
      `compare needs a git checkout of Sett. Run it inside one\n${messageOf(cause)}`,
      {
        cause,
      },
    )
  })
  const root = found.trim()
  const manifest = join(root, 'package.json')
  if (!existsSync(manifest) || JSON.parse(readFileSync(manifest, 'utf8')).name !== 'sett') {
    throw new Error(`compare needs a git checkout of Sett; ${root} is one of something else`)
  }
  return root
}

/** `ref`, `.`, or either with `+file.patch` behind it, once or more often. Throws a UsageError. */
export async function resolveSource(text: string, place: ProgramPlace): Promise<Source> {
  const whole = await commitNamed(text, place)
  // A plus sign may be part of a ref's name.
  const [ref = '', ...files] = whole === undefined ? text.split('+') : [text]
  const patches = files.map((file) => resolve(place.cwd, file))
  const missing = patches.find((patch) => !existsSync(patch))
  if (missing !== undefined) throw new UsageError(`there is no patch ${missing}`)
  const suffix = files.map((file) => ` + ${file}`).join('')
  if (WORKING_TREE.some((name) => name === ref)) {
    const head = await commitNamed('HEAD', place)
    const label = `working tree on ${head?.slice(0, 7) ?? 'no commit'}${suffix}`
    return { label, commit: undefined, patches }
  }
  const commit = whole ?? (await commitNamed(ref, place))
  if (commit === undefined) {
    throw new UsageError(
      `'${ref}' is no commit of this checkout. Give a branch, tag or hash, or ` +
        `${WORKING_TREE.join(' or ')} for the working tree`,
    )
  }
  return { label: `${ref} (${commit.slice(0, 7)})${suffix}`, commit, patches }
}

async function commitNamed(text: string, place: ProgramPlace): Promise<string | undefined> {
  const wanted = ['rev-parse', '--verify', '--quiet', '--end-of-options', `${text}^{commit}`]
  const found = await runProgram('git', wanted, place).catch(() => {
    place.signal.throwIfAborted()
    return ''
  })
  return found === '' ? undefined : found.trim()
}

/** What a reader may take for measured although it is not: changes that are in no commit. */
export async function hasChanges(place: ProgramPlace): Promise<boolean> {
  return (await runProgram('git', ['status', '--porcelain'], place)) !== ''
}
