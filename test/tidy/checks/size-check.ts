// Files, lines and folders stay small enough to be read. Functions and parameters are measured by biome.json.
import { posix } from 'node:path'
import { LARGE_FOLDERS, LIMITS } from '../floors.ts'
import { isGenerated, isTypeScript, type Problem, type SourceText } from '../source-text.ts'

const WRITTEN_BY_HAND = /^(?:src|workers|test|bench|examples|native-wasm)\//

function measured(files: readonly SourceText[]): SourceText[] {
  return files.filter(
    (file) =>
      WRITTEN_BY_HAND.test(file.path) &&
      (isTypeScript(file) || file.path.endsWith('.mjs')) &&
      !isGenerated(file),
  )
}

function lineCount(text: string): number {
  return text.split('\n').length - (text.endsWith('\n') ? 1 : 0)
}

export function checkFileSizes(files: readonly SourceText[]): Problem[] {
  return measured(files)
    .filter((file) => lineCount(file.text) > LIMITS.fileLinesMax)
    .map(({ path, text }) => ({
      path,
      line: LIMITS.fileLinesMax + 1,
      message: `has ${lineCount(text)} lines of at most ${LIMITS.fileLinesMax}. Split it by what it owns`,
    }))
}

/** Not refused, but worth a look: longer than aimed. */
export function filesLongerThanAimed(files: readonly SourceText[]): string[] {
  return measured(files)
    .filter((file) => lineCount(file.text) > LIMITS.fileLinesAimed)
    .map(({ path, text }) => `${path} (${lineCount(text)} lines)`)
}

export function checkLineLengths(files: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  for (const { path, text } of measured(files)) {
    text.split('\n').forEach((line, index) => {
      const comment = /^\s*(?:\/\/|\/?\*)/.test(line)
      // The formatter breaks code; what it leaves long is one string or one pattern.
      const max = comment || /['"`/]/.test(line) ? LIMITS.commentColumnsMax : LIMITS.codeColumnsMax
      if (line.length <= max) return
      const message = `has ${line.length} columns of at most ${max}. Break the line`
      problems.push({ path, line: index + 1, message })
    })
  }
  return problems
}

export function checkFolderSizes(files: readonly SourceText[]): Problem[] {
  const counts = new Map<string, number>()
  for (const { path } of measured(files)) {
    const folder = posix.dirname(path)
    counts.set(folder, (counts.get(folder) ?? 0) + 1)
  }
  const problems: Problem[] = []
  for (const [path, count] of counts) {
    const max = LARGE_FOLDERS.get(path) ?? LIMITS.folderFilesMax
    if (count <= max) continue
    const message = `holds ${count} files of at most ${max}. Make a folder of those that belong together`
    problems.push({ path, line: 1, message })
  }
  return problems
}
