// Files, threads, time, chance and wasm come in through one door each.
import { BORDERS, type Border } from '../floors.ts'
import {
  blankOut,
  importsOf,
  isGenerated,
  isTypeScript,
  type Problem,
  type SourceText,
} from '../source-text.ts'

export function checkBorders(files: readonly SourceText[]): Problem[] {
  const problems: Problem[] = []
  for (const file of files) {
    if (!/^(?:src|workers)\//.test(file.path) || !isTypeScript(file) || isGenerated(file)) continue
    const code = blankOut(file.text, 'comments and strings').split('\n')
    const imports = importsOf(file.text)
    for (const border of BORDERS) {
      if (border.allowed.some((prefix) => file.path.startsWith(prefix))) continue
      const lines = new Set([...codeLines(border, code), ...importLines(border, imports)])
      for (const line of lines) {
        const message = `uses ${border.what}, which only ${border.allowed.join(' and ')} may: ${border.remedy}`
        problems.push({ path: file.path, line, message })
      }
    }
  }
  return problems
}

function codeLines({ pattern }: Border, code: readonly string[]): number[] {
  return code.flatMap((line, index) => (pattern?.test(line) === true ? [index + 1] : []))
}

function importLines({ module }: Border, imports: ReturnType<typeof importsOf>): number[] {
  return imports.filter((each) => module?.test(each.specifier)).map((each) => each.line)
}
