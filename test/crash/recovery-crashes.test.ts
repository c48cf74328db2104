// Crashes inside recovery, over and over: each recovery finds the same, and what the unfinished ones leave does not
// pile up.
import { describe, expect, it } from 'vitest'
import { Disk, type Step } from '../faults/disk.ts'
import { FaultFileSystem } from '../faults/fault-file-system.ts'
import { prng } from '../model/prng.ts'
import { checkContent, dataFiles, namedFiles } from './check.ts'
import { History } from './history.ts'
import { OPERATIONS } from './operations.ts'
import { Session, type Settings, turns } from './session.ts'
import { crashStates } from './survivals.ts'

const SEED = Number(process.env['SETT_CRASH_SEED'] ?? Date.now() % 1_000_000)
const IN_A_ROW = 50
/** At one place again and again. */
const AT_ONE_PLACE = 8
/** Manifests of the open that ended last, of the one before and of the one that is under way; and its CURRENT.tmp. */
const EXTRA_MOST = 4
/** Seconds where nothing else runs. */
const PATIENCE_MS = 120_000
const settings: Settings = { durability: 'none', l0CompactTrigger: 4 }

/** What a crash left, durable or not. */
interface Remains {
  readonly files: ReadonlyMap<string, Buffer>
  readonly steps: readonly Step[]
}

interface Recovered {
  readonly steps: readonly Step[]
  readonly commit: number
}

/** Killed in the middle of things: a table, logs with and without frames, a job under way. */
async function killed(): Promise<{ remains: Remains; history: History }> {
  const fs = new FaultFileSystem()
  const history = new History()
  const session = new Session({ fs, seed: SEED, name: 'first', settings, history })
  await session.open()
  const run = (name: string): Promise<void> =>
    OPERATIONS.find((each) => each.name === name)!.run(session)
  await run('compaction')
  const working = [run('rotation'), run('burst'), run('batch')]
  await turns(20)
  const steps = fs.steps.slice()
  const { least } = history.bounds(steps.length, 'kill')
  expect(least).toBeGreaterThan(0)
  await Promise.all(working)
  await session.close()
  return { remains: { files: new Map(), steps }, history }
}

/** One recovery, to its end; nothing of what comes after it counts. */
async function recover(remains: Remains, history: History, round: number): Promise<Recovered> {
  const fs = new FaultFileSystem(remains)
  const session = new Session({ fs, seed: SEED, name: `${round}`, settings, history })
  await session.open()
  const steps = fs.steps.slice()
  try {
    const most = history.last
    return { steps, commit: checkContent(session.engine, history, { least: 0, most }) }
  } finally {
    await session.engine.close()
  }
}

function extraFiles(remains: Remains): string[] {
  const fs = new FaultFileSystem(remains)
  const named = new Set(namedFiles(fs))
  return dataFiles(fs).filter((path) => !named.has(path))
}

describe(`recoveries that crash (SETT_CRASH_SEED=${SEED})`, () => {
  it(
    `${IN_A_ROW} times in a row, anywhere, find the same each time`,
    async () => {
      const random = prng(SEED)
      const { remains: first, history } = await killed()
      const most = extraFiles(first).length + EXTRA_MOST
      let remains = first
      let expected: number | undefined
      let settled = false
      for (let round = 1; round <= IN_A_ROW; round++) {
        const { steps, commit } = await recover(remains, history, round)
        if (expected !== undefined) expect(commit, `round ${round}`).toBe(expected)
        expected = commit
        const begun = remains.steps.length
        const until = begun + random.below(steps.length - begun + 1)
        const disk = new Disk(remains.files)
        for (const step of steps.slice(0, until)) disk.apply(step)
        const states = crashStates(disk, SEED + round)
        const { survival } = states[random.below(states.length)]!
        if (survival === 'killed' || random.chance(0.5)) {
          remains = { files: remains.files, steps: steps.slice(0, until) }
        } else {
          remains = { files: disk.image(survival), steps: [] }
          // The first one may take the end of what was never synced; from then on everything there is durable.
          if (!settled) expected = undefined
          settled = true
        }
        const extra = extraFiles(remains)
        expect(extra.length, `round ${round}: ${extra}`).toBeLessThanOrEqual(most)
      }
      expect(settled).toBe(true)
    },
    PATIENCE_MS,
  )

  it(
    'at any one place leave no more the eighth time than the first',
    async () => {
      const { remains: first, history } = await killed()
      const { steps, commit } = await recover(first, history, 0)
      const most = extraFiles(first).length + EXTRA_MOST
      for (let place = 1; place <= steps.length - first.steps.length; place++) {
        let remains = first
        for (let round = 1; round <= AT_ONE_PLACE; round++) {
          const recovered = await recover(remains, history, round)
          expect(recovered.commit).toBe(commit)
          const until = remains.steps.length + place
          remains = { files: first.files, steps: recovered.steps.slice(0, until) }
        }
        const extra = extraFiles(remains)
        expect(extra.length, `step ${place}: ${extra}`).toBeLessThanOrEqual(most)
      }
    },
    PATIENCE_MS,
  )
})
