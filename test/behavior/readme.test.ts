// What README.md shows is run and compared, so that it cannot go stale.
import { execFileSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { LIVE_OPTIONS, OPTION_NAMES } from '../../src/base/option-table.ts'
import { builtUrl } from '../support/built.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const root = new URL('../../', import.meta.url)
const readme = readFileSync(new URL('README.md', root), 'utf8')
const quickStart = /```js\n(.*?)```/s.exec(readme)?.[1] ?? ''

it('the quick start is the example', () => {
  const example = readFileSync(new URL('examples/quick-start/main.mjs', root), 'utf8')
  expect(quickStart).toBe(example)
})

it('the quick start runs, twice over', () => {
  const directory = temporaryDirectory()
  const script = join(directory, 'quick-start.mjs')
  const entry = new URL('src/index.js', builtUrl).href
  writeFileSync(script, quickStart.replace("'sett'", JSON.stringify(entry)))
  for (let run = 0; run < 2; run++) {
    const printed = execFileSync(process.execPath, [script], { cwd: directory, encoding: 'utf8' })
    expect(printed).toBe('red\nfruit/apple red\nfruit/banana yellow\n')
  }
})

it('every option is mentioned', () => {
  const missing = OPTION_NAMES.filter((name) => name !== 'preset' && !readme.includes(`\`${name}`))
  expect(missing).toEqual([])
})

it('what db.tune() takes is what it is said to take', () => {
  const said =
    /^`db\.tune\(.*?are fixed\.$/ms.exec(readme)?.[0].split('until it is closed:')[1] ?? ''
  const named = OPTION_NAMES.filter((name) => said.includes(`\`${name}\``))
  // The two triggers of level 0 have one name there.
  const live = LIVE_OPTIONS.filter((name) => !name.startsWith('l0'))
  expect(named).toEqual(live)
  expect(said).toContain('both level-0 triggers')
})
