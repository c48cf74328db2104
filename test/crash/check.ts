// Whether a database holds what the oracle allows, and its directory nothing but what it needs.
import type { StorageEngine } from '../../src/engine/engine.ts'
import {
  manifestPath,
  parseFileName,
  segmentPath,
  tablePath,
  walPath,
} from '../../src/io/file-names.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { readManifest } from '../../src/manifest/read-manifest.ts'
import type { Bounds, Content, History } from './history.ts'

export const DIRECTORY = '/db'
const PAGE = 1_000

/** Returns the newest commit found; throws unless what is there is what that commit left. */
export function checkContent(engine: StorageEngine, history: History, bounds: Bounds): number {
  const found = read(engine, false)
  const backwards = read(engine, true)
  if (!same(found, backwards.reverse())) throw new Error('backwards it reads otherwise')
  for (const [key, value] of found) {
    if (engine.getSync(key, undefined, 'utf8') !== value) throw new Error(`get of ${key} differs`)
  }
  const { least, most } = bounds
  for (let commit = most; commit >= least; commit--) {
    if (same(found, sorted(history.content(commit)))) return commit
  }
  throw new Error(`${whichIs(found, history, bounds)}; allowed are commits ${least} to ${most}`)
}

/** After a clean close every file is named: none is left over, none is missing. What a repair moved away does not
 * count. */
export function checkDirectory(fs: FileSystem): void {
  const named = namedFiles(fs)
  const there = dataFiles(fs)
  if (there.join() !== named.join()) throw new Error(`files ${there}, but named are ${named}`)
}

/** Files the database needs, by its manifest; in order. */
export function namedFiles(fs: FileSystem): string[] {
  const recovered = readManifest(fs, DIRECTORY)
  if (recovered === undefined) return []
  const { levels, wals, segments } = recovered.state
  return [
    `${DIRECTORY}/CURRENT`,
    manifestPath(DIRECTORY, recovered.number),
    ...wals.map(({ number }) => walPath(DIRECTORY, number)),
    ...levels.flat().map(({ number }) => tablePath(DIRECTORY, number)),
    ...segments.map(({ number }) => segmentPath(DIRECTORY, number)),
  ].sort()
}

/** Files that are there; in order. */
export function dataFiles(fs: FileSystem): string[] {
  if (fs.statSync(DIRECTORY) === undefined) return []
  const names = fs.listSync(DIRECTORY).filter((name) => parseFileName(name)?.kind !== 'lostFound')
  return names.map((name) => `${DIRECTORY}/${name}`).sort()
}

type Entries = readonly (readonly [string, string])[]

function read(engine: StorageEngine, reverse: boolean): [string, string][] {
  const reader = engine.range({
    keys: true,
    values: true,
    keyForm: 'utf8',
    valueForm: 'utf8',
    version: engine.version,
    reverse,
  })
  const found: [string, string][] = []
  for (;;) {
    const page = reader.next(PAGE) as [string, string][]
    if (page.length === 0) return found
    found.push(...page)
  }
}

function sorted(content: Content): Entries {
  return [...content].sort(([a], [b]) => (a < b ? -1 : 1))
}

function same(a: Entries, b: Entries): boolean {
  return (
    a.length === b.length && a.every(([key, value], i) => key === b[i]![0] && value === b[i]![1])
  )
}

/** What is there, in the oracle's words. */
function whichIs(found: Entries, history: History, { most }: Bounds): string {
  for (let commit = history.last; commit >= 0; commit--) {
    if (same(found, sorted(history.content(commit)))) {
      return commit > most ? `commit ${commit}, not made yet` : `only commit ${commit}`
    }
  }
  return `${found.length} entries that no commit left: half a commit, or a hole`
}
