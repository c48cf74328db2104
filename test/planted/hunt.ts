// Plants bugs one after the other and lets the tests look for them. The tests must find each bug, and nothing where
// there is none.
import { join } from 'node:path'
import type { Bug } from './bugs.ts'
import { build, runTests } from './test-run.ts'
import { WorkingCopy } from './working-copy.ts'

export interface Hunt {
  readonly checkout: string
  /** Its node_modules. */
  readonly packages: string
  /** For the copies; exists. */
  readonly scratch: string
  readonly bugs: readonly Bug[]
  readonly seed: number
  /** Bugs at a time, a copy each. */
  readonly lanes: number
  readonly signal: AbortSignal
  /** Called as soon as it is known. */
  readonly found: (finding: Finding) => void
}

export interface Finding {
  readonly bug: Bug
  readonly caught: boolean
  /** The test that caught it, or why none did. */
  readonly by: string
  readonly seconds: number
}

const BUG_LIMIT_MS = 300_000
const CONTROL_LIMIT_MS = 1_200_000

/** Throws when a test fails that should not. */
export async function checkControl(hunt: Hunt, copy: WorkingCopy): Promise<number> {
  const { bugs, seed, lanes, signal } = hunt
  const { root } = copy
  const place = { root, signal, limitMs: CONTROL_LIMIT_MS }
  const files = [...new Set(bugs.flatMap(({ caughtBy }) => caughtBy))]
  if (bugs.some(({ needsBuild }) => needsBuild)) await build(place)
  const { kind, first } = await runTests({ ...place, files, seed, processes: lanes })
  if (kind !== 'passed') throw new Error(`without any bug the tests do not pass: ${kind}, ${first}`)
  return files.length
}

export function copies({ checkout, packages, scratch, lanes }: Hunt): WorkingCopy[] {
  return Array.from({ length: lanes }, (_, i) => {
    return new WorkingCopy({ checkout, packages, folder: join(scratch, `${i}`) })
  })
}

export async function tryAll(hunt: Hunt, places: readonly WorkingCopy[]): Promise<Finding[]> {
  const waiting = hunt.bugs.values()
  const findings: Finding[] = []
  const lane = async (copy: WorkingCopy): Promise<void> => {
    for (const bug of waiting) {
      const finding = await tryOne(hunt, copy, bug)
      findings.push(finding)
      hunt.found(finding)
    }
  }
  await Promise.all(places.map(lane))
  return findings
}

async function tryOne({ seed, signal }: Hunt, copy: WorkingCopy, bug: Bug): Promise<Finding> {
  const began = performance.now()
  const finding = (caught: boolean, by: string): Finding => {
    return { bug, caught, by, seconds: (performance.now() - began) / 1000 }
  }
  const place = { root: copy.root, signal, limitMs: BUG_LIMIT_MS }
  try {
    copy.plant(bug)
    if (bug.needsBuild) await build(place)
    const outcome = await runTests({ ...place, files: bug.caughtBy, seed, processes: 1 })
    if (outcome.kind === 'passed') return finding(false, 'MISSED')
    return finding(outcome.kind === 'failed', outcome.first)
  } catch (error) {
    signal.throwIfAborted()
    return finding(false, error instanceof Error ? error.message : String(error))
  } finally {
    copy.restore()
  }
}
