// Pairs over a pretended engine, whose folder looks like a build. The measured processes run from dist/.
import { mkdirSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { builtUrl } from '../../../support/built.ts'
import { temporaryDirectory } from '../../../support/temp-directory.ts'

type Pairs = typeof import('../../../../bench/compare/pairs.ts')
const { runPair }: Pairs = await import(new URL('bench/compare/pairs.js', builtUrl).href)

/** `getSync` is the body of a function of a key; each opening and closing leaves a line in `log`. */
function pretendedBuild(getSync: string): { root: string; prepared: string; log: string } {
  const root = temporaryDirectory()
  const log = join(root, 'log')
  mkdirSync(join(root, 'dist/src'), { recursive: true })
  writeFileSync(join(root, 'package.json'), '{ "type": "module" }')
  writeFileSync(
    join(root, 'dist/src/index.js'),
    `import { appendFileSync } from 'node:fs'
     const note = async (what) => appendFileSync(${JSON.stringify(log)}, what + '\\n')
     export const open = async (location, options) => {
       await note('open ' + options.readOnly)
       return { settle: async () => {}, close: () => note('close'), getSync: (key) => { ${getSync} } }
     }`,
  )
  return { root, prepared: join(root, 'data'), log }
}

const FAST = 'return key'
const SLOW = 'let sum = 0; for (let at = 0; at < 100; at++) sum += key[at & 15]; return sum'

function plan(a: string, b: string) {
  const [first, second] = [pretendedBuild(a), pretendedBuild(b)]
  const directory = temporaryDirectory()
  const { signal } = new AbortController()
  const sides = [first, second] as const
  return { sides, workload: 'getSync', number: 0, directory, signal } as const
}

describe('a pair', () => {
  it('divides the costs of b by those of a, whoever starts', async () => {
    const order = plan(FAST, SLOW)
    for (const number of [0, 1]) {
      const { a, b, ratio } = await runPair({ ...order, number })
      expect(b).toBeGreaterThan(a)
      expect(ratio).toBeGreaterThan(1)
    }
    for (const { log } of order.sides) {
      expect(readFileSync(log, 'utf8')).toBe('open true\nclose\n'.repeat(2))
    }
    expect(readdirSync(order.directory)).toEqual([])
  })

  it('fails with what the process said, and leaves nothing', async () => {
    const order = plan(FAST, `throw new Error('no such luck')`)
    await expect(runPair(order)).rejects.toThrow(/getSync with the build in .*no such luck/s)
    expect(readdirSync(order.directory)).toEqual([])
  })

  it('fails on a wrong answer', async () => {
    const order = plan('return undefined', FAST)
    await expect(runPair(order)).rejects.toThrow(/found 0 of 5000 entries/)
  })

  it('ends when it is aborted', async () => {
    const controller = new AbortController()
    const order = plan('for (;;);', FAST)
    const pair = runPair({ ...order, signal: controller.signal })
    setTimeout(() => controller.abort(new Error('enough')), 300)
    await expect(pair).rejects.toThrow()
    expect(readdirSync(order.directory)).toEqual([])
  })
})
