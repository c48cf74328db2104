// Unified diffs, read and applied without a tool. A hunk goes where its old lines stand, whatever its line numbers say,
// so that changes elsewhere in a file leave a patch as it is; lines that stand there twice are refused.

export interface Hunk {
  readonly before: readonly string[]
  readonly after: readonly string[]
}

export interface FilePatch {
  /** From the root of the checkout. */
  readonly path: string
  readonly hunks: readonly Hunk[]
}

interface Draft {
  before: string[]
  after: string[]
}

/** Every file of the diff; what stands above the first one is left to the caller. */
export function parsePatch(text: string): FilePatch[] {
  const files: { path: string; hunks: Draft[] }[] = []
  const lines = text.replace(/\n$/, '').split('\n')
  for (let i = 0; i < lines.length; i++) {
    const line = lines[i]!
    const to = /^\+\+\+ b\/(\S+)/.exec(lines[i + 1] ?? '')
    if (line.startsWith('--- a/') && to !== null) {
      files.push({ path: to[1]!, hunks: [] })
      i += 1
    } else if (line.startsWith('@@ ')) files.at(-1)?.hunks.push({ before: [], after: [] })
    else addLine(files.at(-1)?.hunks.at(-1), line)
  }
  return files
}

function addLine(hunk: Draft | undefined, line: string): void {
  if (hunk === undefined || !/^(?:[ +-]|$)/.test(line)) return
  const rest = line.slice(1)
  if (!line.startsWith('+')) hunk.before.push(rest)
  if (!line.startsWith('-')) hunk.after.push(rest)
}

/** The file's text with all hunks in place; throws where one does not belong. */
export function applyPatch(text: string, { path, hunks }: FilePatch): string {
  const lines = text.split('\n')
  for (const [i, { before, after }] of hunks.entries()) {
    const found = placesOf(lines, before)
    const [at] = found
    if (at === undefined || found.length > 1) {
      const why = at === undefined ? 'are not there' : `are there ${found.length} times`
      throw new Error(`the old lines of hunk ${i + 1} of ${path} ${why}`)
    }
    lines.splice(at, before.length, ...after)
  }
  return lines.join('\n')
}

function placesOf(lines: readonly string[], wanted: readonly string[]): number[] {
  const places: number[] = []
  for (let at = 0; at + wanted.length <= lines.length; at++) {
    if (wanted.every((line, i) => lines[at + i] === line)) places.push(at)
  }
  return places
}
