// A test file that measures its process has one of its own.
import { MEASURING, SHARING } from '../../support/run/groups.ts'
import { blankOut, type Problem, type SourceText } from '../source-text.ts'

const MEASURES = /\b(?:memoryUsage|resourceUsage|getActiveResourcesInfo|processHeaps\.counts)\b/
/** In strings. */
const LOOKS = /\/proc\/self\b/
const SHARED = new RegExp(`^test/(?:${SHARING.join('|')})/.*\\.test\\.ts$`)

export function checkTestGroups(files: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  for (const { path, text } of files) {
    if (!SHARED.test(path) || MEASURING.includes(path)) continue
    const code = blankOut(text, 'comments and strings').split('\n')
    const lines = blankOut(text, 'comments').split('\n')
    const line = lines.findIndex((each, i) => LOOKS.test(each) || MEASURES.test(code[i]!)) + 1
    if (line === 0) continue
    const message =
      'measures a process that it shares with other files: name it in test/support/run/groups.ts'
    problems.push({ path, line, message })
  }
  const paths = new Set(files.map(({ path }) => path))
  for (const path of MEASURING) {
    if (paths.has(path)) continue
    const message = `names ${path}, which is not there: take it out`
    problems.push({ path: 'test/support/run/groups.ts', line: 1, message })
  }
  return problems
}
