// The planted bugs still fit the sources, and whoever looks for them tells a bug that is caught from one that is not.
// The bugs themselves: `npm run test:planted`.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/temp-directory.ts'
import { type Bug, parseBug, readBugs } from './bugs.ts'
import { checkControl, copies, type Finding, type Hunt, tryAll } from './hunt.ts'
import { applyPatch, parsePatch } from './patch.ts'

const ROOT = fileURLToPath(new URL('../../', import.meta.url))
const BUGS = readBugs(ROOT)

describe.each(BUGS.map((bug) => [bug.name, bug] as const))('%s', (_, bug) => {
  it('applies, changes the engine, and names its tests', () => {
    expect(bug.what).toMatch(/^[A-Za-z].+\.$/)
    expect(bug.files.length).toBeGreaterThan(0)
    for (const patch of bug.files) {
      expect(patch.path).toMatch(/^src\/.*\.ts$/)
      const before = readFileSync(join(ROOT, patch.path), 'utf8')
      expect(applyPatch(before, patch)).not.toBe(before)
    }
    expect(bug.caughtBy.length).toBeGreaterThan(0)
    for (const file of bug.caughtBy) {
      expect(file).toMatch(/^test\/.*\.test\.ts$/)
      expect(existsSync(join(ROOT, file)), file).toBe(true)
    }
  })
})

it('there are bugs in every part of the engine', () => {
  const parts = new Set(BUGS.map(({ name }) => dirname(name)))
  const wanted = [
    ...['bindings', 'care', 'collection', 'compaction', 'log', 'manifest', 'memory', 'reads'],
    ...['tables', 'values'],
  ]
  expect([...parts].sort()).toEqual(wanted)
  expect(BUGS.length).toBeGreaterThan(80)
})

const TWO_FILES = `What it is,
in two lines.

Caught by: test/a.test.ts, test/b.test.ts
Needs: build

--- a/src/a.ts
+++ b/src/a.ts
@@ -10,3 +10,3 @@
 one
-two
+deux
 three
--- a/src/b.ts
+++ b/src/b.ts
@@ -1,1 +1,2 @@
 first
+second
`

describe('a patch', () => {
  it('is read with what stands above it', () => {
    expect(parseBug('log/some', TWO_FILES)).toEqual({
      name: 'log/some',
      what: 'What it is, in two lines.',
      caughtBy: ['test/a.test.ts', 'test/b.test.ts'],
      needsBuild: true,
      files: [
        {
          path: 'src/a.ts',
          hunks: [{ before: ['one', 'two', 'three'], after: ['one', 'deux', 'three'] }],
        },
        { path: 'src/b.ts', hunks: [{ before: ['first'], after: ['first', 'second'] }] },
      ],
    })
  })

  it('goes where its lines stand, and nowhere else', () => {
    const [patch] = parsePatch(TWO_FILES)
    expect(applyPatch('zero\none\ntwo\nthree\n', patch!)).toBe('zero\none\ndeux\nthree\n')
    expect(() => applyPatch('one\n2\nthree\n', patch!)).toThrow(/src\/a\.ts are not there/)
    expect(() => applyPatch('one\ntwo\nthree\n'.repeat(2), patch!)).toThrow(/there 2 times/)
  })
})

/** Each starts the tests anew a few times: some seconds where nothing else runs. */
const PATIENCE_MS = 300_000

const ADD = 'export function add(a: number, b: number): number {\n  return a + b\n}\n'

const ADD_TEST = `import { expect, test } from 'vitest'
import { add } from '../src/add.ts'
test('adds', () => {
  expect(add(2, 2)).toBe(4)
})
`

/** A checkout with one function, one test and the packages of this one. */
function smallCheckout(): string {
  const checkout = temporaryDirectory()
  const files = {
    'package.json': '{ "type": "module" }',
    'vitest.config.ts': "export default { test: { include: ['test/**'] } }",
    'src/add.ts': ADD,
    'test/add.test.ts': ADD_TEST,
  }
  for (const [name, text] of Object.entries(files)) {
    mkdirSync(dirname(join(checkout, name)), { recursive: true })
    writeFileSync(join(checkout, name), text)
  }
  return checkout
}

function becoming(name: string, line: string): Bug {
  const hunks = [{ before: ['  return a + b'], after: [line] }]
  const files = [{ path: 'src/add.ts', hunks }]
  return { name, what: '', caughtBy: ['test/add.test.ts'], needsBuild: false, files }
}

function huntIn(checkout: string, bugs: readonly Bug[]): Hunt & { findings: Finding[] } {
  const scratch = temporaryDirectory()
  const findings: Finding[] = []
  const { signal } = new AbortController()
  const found = (finding: Finding): void => void findings.push(finding)
  const packages = join(ROOT, 'node_modules')
  return { checkout, packages, scratch, bugs, seed: 1, lanes: 1, signal, found, findings }
}

describe('the hunt', () => {
  it(
    'tells what was caught, missed, or could not be planted',
    async () => {
      const checkout = smallCheckout()
      const hunt = huntIn(checkout, [
        becoming('caught', '  return a - b'),
        becoming('missed', '  return a * b'),
        { ...becoming('unfit', ''), files: parsePatch(TWO_FILES.replaceAll('a.ts', 'add.ts')) },
      ])
      const places = copies(hunt)
      expect(await checkControl(hunt, places[0]!)).toBe(1)
      await tryAll(hunt, places)
      const verdicts = hunt.findings.map(({ bug, caught }) => [bug.name, caught])
      expect(verdicts).toEqual([
        ['caught', true],
        ['missed', false],
        ['unfit', false],
      ])
      expect(hunt.findings.map(({ by }) => by)).toEqual([
        'test/add.test.ts: adds',
        'MISSED',
        expect.stringContaining('src/add.ts are not there'),
      ])
      for (const root of [checkout, places[0]!.root]) {
        expect(readFileSync(join(root, 'src/add.ts'), 'utf8')).toBe(ADD)
      }
    },
    PATIENCE_MS,
  )

  it(
    'does not begin where a test fails without a bug',
    async () => {
      const checkout = smallCheckout()
      writeFileSync(join(checkout, 'src/add.ts'), ADD.replace('+', '-'))
      const hunt = huntIn(checkout, [becoming('any', '')])
      await expect(checkControl(hunt, copies(hunt)[0]!)).rejects.toThrow(/without any bug.*adds/)
    },
    PATIENCE_MS,
  )
})
