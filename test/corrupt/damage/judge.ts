// Opens a damaged database, asks it everything, and judges the answers: each is right, or an error with file and
// offset; or the open is refused, with nothing changed on disk; or, where a log that was not sealed lost its end, all
// of it is what an earlier commit left. Anything else is a wrong answer.
import { CorruptionError } from '../../../src/base/errors.ts'
import type { StorageEngine } from '../../../src/engine/engine.ts'
import type { Content } from '../../crash/history.ts'
import type { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { DIRECTORY, type Image, place } from '../image.ts'
import { leastCommit } from './log-evidence.ts'
import { openOn, readPairs, type Specimen, sameContent } from './specimen.ts'

/** What a damaged database answered. */
export type Answer = 'right' | 'error' | 'refused' | 'cut'

export class WrongAnswer extends Error {}

/** An engine, or the part of it that reads. */
export type Reads = Pick<StorageEngine, 'range' | 'version' | 'getSync'>

/** Keys read together: an error of one block must not hide the others. */
const WINDOW = 32
/** Behind one key in so many, one that was never written is asked for. */
const ABSENT = 8

/** Throws WrongAnswer. `twice`: opens what the first open left once more. */
export async function judge(
  specimen: Specimen,
  damaged: Image,
  twice: boolean = false,
): Promise<Answer> {
  const fs = place(damaged)
  const first = await judgeOpen(specimen, fs, { damaged, least: leastCommit(specimen, damaged) })
  if (!twice || first.answer === 'refused') return first.answer
  const second = await judgeOpen(specimen, fs, { damaged, least: first.commit })
  // What was left out once stays out.
  if (second.commit !== first.commit) throw new WrongAnswer(`commit ${second.commit} came back`)
  return first.answer
}

interface Judged {
  readonly answer: Answer
  readonly commit: number
}

async function judgeOpen(
  specimen: Specimen,
  fs: FaultFileSystem,
  { damaged, least }: { damaged: Image; least: number },
): Promise<Judged> {
  let engine: StorageEngine
  const before = fs.steps.length
  try {
    engine = await openOn(fs)
  } catch (error) {
    requirePlace(error)
    const changes = fs.steps.slice(before).filter(({ kind }) => !/^sync/.test(kind))
    if (changes.length > 0) throw new WrongAnswer(`a refused open did ${changes[0]?.kind}`)
    return { answer: 'refused', commit: specimen.commit }
  }
  try {
    const commit = commitFound(specimen, engine, least)
    const { image, keys, history } = specimen
    const mayFail = storesDiffer(image, damaged)
    const errors = checkReads(engine, keys, history.content(commit), mayFail ? WINDOW : keys.length)
    if (errors > 0 && !mayFail)
      throw new WrongAnswer('a read failed, and no table or segment is damaged')
    const answer = errors > 0 ? 'error' : commit < specimen.commit ? 'cut' : 'right'
    return { answer, commit }
  } finally {
    await engine.close()
  }
}

/** The commit whose content is there: another one than the newest only where a log may be cut. */
function commitFound(
  { history, commit: newest }: Specimen,
  engine: StorageEngine,
  least: number,
): number {
  if (least === newest) return newest
  const content = new Map(readPairs(engine, {}))
  for (let commit = newest; commit >= least; commit--) {
    if (sameContent(content, history.content(commit))) return commit
  }
  for (let commit = history.last; commit >= 0; commit--) {
    if (sameContent(content, history.content(commit))) {
      throw new WrongAnswer(`commit ${commit} was found; allowed are ${least} to ${newest}`)
    }
  }
  throw new WrongAnswer(`what was found no commit left: a hole, or half a commit`)
}

function storesDiffer(before: Image, after: Image): boolean {
  return [...before].some(
    ([name, bytes]) => /\.(sst|vlog)$/.test(name) && after.get(name) !== bytes,
  )
}

/** Reads everything forwards, backwards and by key, and asks for keys that are not there. Returns how many reads
 * failed, each with file and offset. `keys`: all that were ever written, in order; so many are read together. */
export function checkReads(
  reads: Reads,
  keys: readonly string[],
  content: Content,
  together: number,
): number {
  let errors = 0
  for (let from = 0; from < keys.length; from += together) {
    const window = keys.slice(from, from + together)
    errors += checkWindow(reads, window, content, keys[from + together])
  }
  return errors
}

/** Returns how many reads failed. `end`: the first key behind the window; `failed` looks at each error. */
export function checkWindow(
  reads: Reads,
  window: readonly string[],
  content: Content,
  end?: string,
  failed: (error: CorruptionError) => void = () => undefined,
): number {
  let errors = 0
  const orPlace = (read: () => void): number => {
    try {
      read()
      return 0
    } catch (error) {
      failed(requirePlace(error))
      return 1
    }
  }
  for (const [i, key] of window.entries()) {
    errors += orPlace(() => requireValue(reads, key, content.get(key)))
    if (i % ABSENT === 0) {
      errors += orPlace(() => requireValue(reads, `${key}\u0001absent`, undefined))
    }
  }
  const right = window.filter((key) => content.has(key))
  const bounds = { gte: window[0]!, ...(end === undefined ? {} : { lt: end }) }
  for (const reverse of [false, true]) {
    errors += orPlace(() => {
      const found = readPairs(reads, { ...bounds, reverse })
      if (reverse) found.reverse()
      const same =
        found.length === right.length &&
        found.every(([key, value], i) => key === right[i] && value === content.get(key))
      if (!same) throw new WrongAnswer(`a scan ${reverse ? 'backwards' : 'forwards'} differs`)
    })
  }
  return errors
}

function requireValue(reads: Reads, key: string, value: string | undefined): void {
  const found = reads.getSync(key, undefined, 'utf8')
  if (found === value) return
  if (found === undefined) throw new WrongAnswer('an existing key is not found')
  throw new WrongAnswer(value === undefined ? 'a key that is not there is found' : 'another value')
}

/** Throws unless it is an error that names file and offset. */
export function requirePlace(error: unknown): CorruptionError {
  if (error instanceof WrongAnswer) throw error
  if (!(error instanceof CorruptionError)) {
    throw new WrongAnswer(`an error without a place: ${String(error)}`, { cause: error })
  }
  const { file, offset } = error
  if (!file.startsWith(`${DIRECTORY}/`) || !Number.isSafeInteger(offset) || offset < 0) {
    throw new WrongAnswer(`no place: ${file} at ${offset}`)
  }
  return error
}
