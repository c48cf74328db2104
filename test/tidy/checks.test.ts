// The checks checked: each finds what was planted, says where and what to do, and leaves the rest alone.
import { describe, expect, test } from 'vitest'
import { checkBorders } from './checks/borders-check.ts'
import { anchors, checkDocuments } from './checks/documents-check.ts'
import { checkEverythingIsUsed, checkFloors, checkModuleState } from './checks/floors-check.ts'
import { checkTestGroups } from './checks/groups-check.ts'
import {
  checkFileSizes,
  checkFolderSizes,
  checkLineLengths,
  filesLongerThanAimed,
} from './checks/size-check.ts'
import { checkFileNames, checkWording } from './checks/wording-check.ts'
import { LIMITS } from './floors.ts'
import {
  blankOut,
  describeProblem,
  importsOf,
  type Problem,
  type SourceText,
} from './source-text.ts'

function files(texts: { readonly [path: string]: string }): SourceText[] {
  return Object.entries(texts).map(([path, text]) => ({ path, text }))
}

function found(problems: readonly Problem[]): string[] {
  return problems.map(describeProblem)
}

describe('reading sources', () => {
  test('every form of import is seen, in its line; comments and strings are not', () => {
    const text = `// import { a } from './comment.ts'
import { b } from './one.ts'
import type {
  c,
} from './two.ts'
export { d } from './three.ts'
import './four.ts'
const e = await import('./five.ts')
const f = new URL('./six.ts', import.meta.url)
const g = "import { h } from './string.ts'" // a quote: "
const i = /['"]\\/*/.test('x') ? '//' : \`import './template.ts'\`
import * as j from './seven.ts'
`
    const seen = importsOf(text).map(({ specifier, line }) => `${line} ${specifier}`)
    const real = seen.filter((each) => !/string|template/.test(each))
    expect(real).toEqual([
      '2 ./one.ts',
      '5 ./two.ts',
      '6 ./three.ts',
      '7 ./four.ts',
      '8 ./five.ts',
      '9 ./six.ts',
      '12 ./seven.ts',
    ])
    expect(seen.some((each) => each.includes('comment'))).toBe(false)
  })

  test('blanking keeps length and lines, also around what is not ASCII', () => {
    const text =
      "const a = 'ü😀' // Date.now()\n/* x\ny */ const b = c / d / 2\nreturn /a'b[/]/.test(e)\n"
    const code = blankOut(text, 'comments and strings')
    expect(code.length).toBe(text.length)
    expect(code.split('\n').length).toBe(text.split('\n').length)
    expect(code).not.toMatch(/Date|x|y|b\[/)
    expect(code).toContain('const b = c / d / 2')
    expect(code).toContain('.test(e)')
  })
})

describe('floors', () => {
  test('downwards and within a room is fine', () => {
    const fine = files({
      'src/index.ts': "export { open } from './api/open.ts'",
      'src/api/open.ts': "import { x } from '../base/x.ts'",
      'src/base/x.ts': "import { y } from './y.ts'",
      'src/base/y.ts': '',
      'src/adapters/cli/main.ts': "import { open } from '../../index.ts'",
      'workers/background.ts': "import { loop } from '../src/pool/loop.ts'",
      'src/pool/loop.ts': "import { Worker } from 'node:worker_threads'",
    })
    expect(found(checkFloors(fine))).toEqual([])
  })

  test('upwards, sideways, out of the house and into nothing are found', () => {
    const planted = files({
      'src/base/x.ts': "\nimport { y } from '../engine/y.ts'",
      'src/engine/y.ts': "import { z } from '../../test/z.ts'",
      'src/wal/a.ts': "import type { b } from '../sstable/b.ts'",
      'src/sstable/b.ts': "import { c } from './missing.ts'\nimport { d } from './b.js'",
      'src/nowhere/e.ts': '',
      'src/api/f.ts': "import { g } from '../index.ts'",
      'src/index.ts': '',
      'workers/h.ts': "import { y } from '../src/engine/y.ts'",
      'test/z.ts': '',
    })
    expect(found(checkFloors(planted))).toEqual([
      expect.stringMatching(/^src\/base\/x\.ts:2: imports src\/engine\/y\.ts on floor 7.*Move/),
      expect.stringMatching(/^src\/engine\/y\.ts:1: imports test\/z\.ts, which is not part/),
      expect.stringMatching(/^src\/wal\/a\.ts:1: .*its own floor 4.*callback/),
      expect.stringMatching(/^src\/sstable\/b\.ts:1: .*does not exist/),
      expect.stringMatching(/^src\/sstable\/b\.ts:2: .*end in \.ts/),
      expect.stringMatching(/^src\/nowhere\/e\.ts:1: lies in no room/),
      expect.stringMatching(/^src\/api\/f\.ts:1: imports src\/index\.ts on its own floor 8/),
      expect.stringMatching(/^workers\/h\.ts:1: .*its own floor 7/),
    ])
  })

  test('a file that nothing imports is found; a test does not count as a user', () => {
    const planted = files({
      'src/index.ts': "export { a } from './api/a.ts'",
      'src/api/a.ts': '',
      'src/base/b.ts': "import './b.ts'",
      'src/base/types.d.ts': '',
      'test/b.test.ts': "import '../src/base/b.ts'",
    })
    expect(found(checkEverythingIsUsed(planted))).toEqual([
      expect.stringMatching(/^src\/base\/b\.ts:1: is imported by nothing/),
    ])
  })

  test('state of a low module is found; constants and state of the pool are not', () => {
    const planted = files({
      'src/wal/a.ts': 'let count = 0\nfunction f() {\n  let own = 1\n}\n',
      'src/base/b.ts':
        'export const cache = new Map<string, number>()\nconst seen = new WeakSet()\n',
      'src/base/c.ts':
        'const NAMES: ReadonlySet<string> = new Set()\nexport const N: ReadonlyMap<string, A> = new Map()\n',
      'src/pool/d.ts': 'let shared = undefined\n',
    })
    expect(found(checkModuleState(planted)).map((each) => each.slice(0, 24))).toEqual([
      'src/wal/a.ts:1: count is',
      'src/base/b.ts:1: cache i',
      'src/base/b.ts:2: seen is',
    ])
  })
})

describe('groups of tests', () => {
  test('a shared file that measures its process is found, and a name that leads nowhere', () => {
    const text = "import 'x'\nconst before = process.memoryUsage.rss()\n"
    const problems = found(
      checkTestGroups(
        files({
          'test/unit/pool/pace.test.ts': text,
          'test/growth/growth.test.ts': text,
          'test/unit/pool/sync-worker.test.ts': text,
          'test/behavior/options.test.ts': '// memoryUsage\n',
          'test/unit/io/files.test.ts': `\n\nreaddirSync('/${'proc'}/self/fd')\n`,
        }),
      ),
    )
    expect(problems[0]).toMatch(/^test\/unit\/pool\/pace\.test\.ts:2: measures a process/)
    expect(problems[1]).toMatch(/^test\/unit\/io\/files\.test\.ts:3: measures a process/)
    expect(problems.slice(2).every((each) => /groups\.ts:1: names test\//.test(each))).toBe(true)
    expect(problems.some((each) => each.includes('sync-worker'))).toBe(false)
  })
})

describe('borders', () => {
  test.each([
    ['src/wal/a.ts', "import { readFileSync } from 'node:fs'", 'node:fs'],
    ['src/wal/a.ts', "import fs from 'fs'", 'node:fs'],
    ['src/wal/a.ts', "import { open } from 'node:fs/promises'", 'node:fs'],
    ['src/engine/a.ts', "import { Worker } from 'node:worker_threads'", 'threads'],
    ['src/engine/a.ts', "import Piscina from 'piscina'", 'threads'],
    ['src/io/directory-lock.ts', "import { spawn } from 'node:child_process'", 'child processes'],
    ['src/engine/a.ts', 'const now = Date.now()', 'the clock'],
    ['src/engine/a.ts', 'const now = new Date()', 'the clock'],
    ['src/engine/a.ts', 'setTimeout(run, 5)', 'the clock'],
    ['src/engine/a.ts', 'setImmediate(run)', 'the clock'],
    ['workers/a.ts', 'const t = performance.now()', 'the clock'],
    ['src/api/a.ts', "import { setTimeout } from 'node:timers/promises'", 'the clock'],
    ['src/jobs/a.ts', 'const r = Math.random()', 'randomness'],
    ['src/jobs/a.ts', "import { randomBytes } from 'node:crypto'", 'randomness'],
    ['src/jobs/a.ts', 'crypto.getRandomValues(bytes)', 'randomness'],
    ['src/pool/a.ts', 'new WebAssembly.Memory({})', 'WebAssembly'],
    ['src/api/a.ts', "console.log('x')", 'the console'],
  ])('%s may not: %s', (path, text, what) => {
    const [only, ...more] = found(checkBorders(files({ [path]: `\n${text}\n` })))
    expect(only).toMatch(new RegExp(`^${path}:2: uses ${what}.*, which only .* may: \\w+`))
    expect(more).toEqual([])
  })

  test('the doors themselves, comments, strings and tests are fine', () => {
    const fine = files({
      'src/io/node-file-system.ts': "import * as fs from 'node:fs'",
      'src/io/kernel-lock.ts': "import { spawn } from 'node:child_process'",
      'src/base/clock.ts': 'const wallMs = () => Date.now()',
      'src/base/random.ts': "import { randomFillSync } from 'node:crypto'",
      'src/jobs/d.ts': "import { createHash } from 'node:crypto'",
      'src/pool/e.ts': 'function f(memory: WebAssembly.Memory): void {}',
      'src/kernel/a.ts': 'new WebAssembly.Module(bytes)',
      'src/adapters/cli/main.ts': "import { stat } from 'node:fs'\nconsole.log(1)",
      'src/wal/b.ts':
        "// Date.now() is not for us\nconst s = 'Math.random()'\nconst d = new Date(wallMs)",
      'test/c.test.ts': 'Date.now(); Math.random()',
    })
    expect(found(checkBorders(fine))).toEqual([])
  })
})

describe('sizes', () => {
  const lines = (count: number): string => 'x\n'.repeat(count)

  test('a file one line too long is found, one of the allowed length is only mentioned', () => {
    const planted = files({
      'src/a.ts': lines(LIMITS.fileLinesMax + 1),
      'src/b.ts': lines(LIMITS.fileLinesMax),
      'src/c.ts': lines(LIMITS.fileLinesAimed),
      'src/kernel/generated/d.ts': lines(5_000),
      'docs/e.md': lines(5_000),
    })
    expect(found(checkFileSizes(planted))).toEqual([
      expect.stringMatching(/^src\/a\.ts:601: has 601 lines of at most 600\. Split/),
    ])
    expect(filesLongerThanAimed(planted)).toEqual(['src/a.ts (601 lines)', 'src/b.ts (600 lines)'])
  })

  test('a line too long is found; comments and strings may be a little longer', () => {
    const planted = files({
      'src/a.ts': `ok\n${'x'.repeat(101)}\n`,
      'test/b.ts': `// ${'x'.repeat(118)}\nconst s = '${'x'.repeat(100)}'\n`,
      'src/c.ts': `${'x'.repeat(100)}\n// ${'x'.repeat(117)}\n`,
    })
    expect(found(checkLineLengths(planted)).map((each) => each.slice(0, 30))).toEqual([
      'src/a.ts:2: has 101 columns of',
      'test/b.ts:1: has 121 columns o',
    ])
  })

  test('a folder with one file too many is found', () => {
    const names = Array.from({ length: LIMITS.folderFilesMax + 1 }, (_, i) => [
      `src/wal/f${i}.ts`,
      '',
    ])
    expect(found(checkFolderSizes(files(Object.fromEntries(names))))).toEqual([
      expect.stringMatching(/^src\/wal:1: holds 17 files of at most 16/),
    ])
    expect(checkFolderSizes(files(Object.fromEntries(names.slice(1))))).toEqual([])
  })
})

describe('wording', () => {
  const word = (...parts: string[]): string => parts.join('')

  test.each([
    ['src/a.ts', `// ${word('TO', 'DO')} later`, /unfinished/],
    ['docs/a.md', `${word('FIX', 'ME')}: this`, /unfinished/],
    ['src/a.ts', `// ${word('@ts-', 'ignore')}`, /silences/],
    ['test/a.ts', `// ${word('biome-', 'ignore')} lint: no`, /silences/],
    ['src/a.ts', word('export ', 'default 1'), /by name/],
    ['src/a.ts', word('const x = y as ', 'any'), /type checker/],
    ['src/a.ts', word('function f(x: ', 'any) {}'), /type checker/],
    ['docs/a.md', word('see /home', '/someone/file'), /one machine/],
    ['package.json', word('"x": "/Users', '/someone"'), /one machine/],
    ['.ci/run', word('cd /wo', 'rk/main'), /one machine/],
  ])('%s with %s is found', (path, text, message) => {
    const [only, ...more] = found(checkWording(files({ [path]: `fine\n${text}\n` })))
    expect(only).toMatch(new RegExp(`^${path}:2: `))
    expect(only).toMatch(message)
    expect(more).toEqual([])
  })

  test('ordinary text is fine', () => {
    const fine = files({
      'src/a.ts': '// any company at home/work\nconst anyone: Anything = x\n',
      'vitest.config.ts': word('export ', 'default config'),
      'docs/a.md': 'Put it in `/data/db` or `./work/x`.',
    })
    expect(found(checkWording(fine))).toEqual([])
  })

  test('names that say nothing are found', () => {
    const planted = files({
      'src/index.ts': '',
      'src/wal/index.ts': '',
      'src/base/utils.ts': '',
      'src/base/camelCase.ts': '',
      'src/base/fine-name.test.ts': '',
      'src/memory/webassembly.d.ts': '',
    })
    expect(found(checkFileNames(planted)).map((each) => each.slice(0, 30))).toEqual([
      'src/wal/index.ts:1: is a secon',
      'src/base/utils.ts:1: has a nam',
      'src/base/camelCase.ts:1: is no',
    ])
  })
})

describe('documents', () => {
  const check = (texts: { readonly [path: string]: string }): string[] =>
    found(checkDocuments({ files: files(texts), exists: (path) => path === 'examples/' }))

  test('broken links, anchors and named files are found', () => {
    expect(
      check({
        'README.md':
          '[a](docs/none.md)\n[b](docs/A.md#nowhere)\n`src/wal/gone.ts`\n[c](#missing)\n',
        'docs/A.md': '# Here\n\n[up](../NONE.md)',
      }),
    ).toEqual([
      expect.stringMatching(/^README\.md:1: links to docs\/none\.md, which does not exist/),
      expect.stringMatching(/^README\.md:2: links to #nowhere, but docs\/A\.md has no such/),
      expect.stringMatching(/^README\.md:4: links to #missing/),
      expect.stringMatching(/^README\.md:3: names src\/wal\/gone\.ts/),
      expect.stringMatching(/^docs\/A\.md:3: links to NONE\.md/),
    ])
  })

  test('working ones, web addresses and code blocks are fine', () => {
    expect(
      check({
        'README.md':
          '# Top\n[a](docs/A.md#1-the-file-n-wal) [b](#top) [c](https://example.com) [d](examples/)\n' +
          '```\n[x](none.md) `src/none.ts`\n```\n`src/wal/a.ts`',
        'docs/A.md': '## 1. The file `n-wal`\n[up](../README.md "title")',
        'src/wal/a.ts': '',
      }),
    ).toEqual([])
  })

  test('equal headings get numbered anchors', () => {
    expect([...anchors('# A b\n## A b\n```\n# no\n```\n')]).toEqual(['a-b', 'a-b-1'])
  })
})
