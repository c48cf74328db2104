// The repository against its own rules. Each failure names file and line, and what to do.
import { existsSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import { checkBorders } from './checks/borders-check.ts'
import { checkDocuments } from './checks/documents-check.ts'
import { checkEverythingIsUsed, checkFloors, checkModuleState } from './checks/floors-check.ts'
import { checkTestGroups } from './checks/groups-check.ts'
import {
  checkFileSizes,
  checkFolderSizes,
  checkLineLengths,
  filesLongerThanAimed,
} from './checks/size-check.ts'
import { checkFileNames, checkWording } from './checks/wording-check.ts'
import { describeProblem, type Problem, repositoryTexts } from './source-text.ts'

const files = repositoryTexts()
const root = new URL('../../', import.meta.url)

function expectNone(problems: readonly Problem[]): void {
  if (problems.length > 0) expect.fail(`\n${problems.map(describeProblem).join('\n')}\n`)
}

describe('the repository', () => {
  test('was found', () => {
    expect(files.some((file) => file.path === 'src/base/errors.ts')).toBe(true)
  })

  test('rooms import lower floors only', () => expectNone(checkFloors(files)))
  test('files, threads, time, chance and wasm have one door each', () => {
    expectNone(checkBorders(files))
  })
  test('low floors keep no module state', () => expectNone(checkModuleState(files)))
  test('every source file is imported by something', () => {
    expectNone(checkEverythingIsUsed(files))
  })
  test('tests that measure their process have one of their own', () => {
    expectNone(checkTestGroups(files))
  })
  test('files are short', ({ annotate }) => {
    for (const long of filesLongerThanAimed(files)) void annotate(`longer than aimed: ${long}`)
    expectNone(checkFileSizes(files))
  })
  test('lines are short', () => expectNone(checkLineLengths(files)))
  test('folders are small', () => expectNone(checkFolderSizes(files)))
  test('nothing is unfinished, silenced or bound to one machine', () => {
    expectNone(checkWording(files))
  })
  test('files are named after what they hold', () => expectNone(checkFileNames(files)))
  test('links in documents lead somewhere', () => {
    expectNone(checkDocuments({ files, exists: (path) => existsSync(new URL(path, root)) }))
  })
})
