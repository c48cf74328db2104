// A log that ends between two of its frames looks whole. Where its seal or the log behind it says that it was longer,
// repair() tells what is missing; where nothing does, it is the end a crash leaves.
import { describe, expect, it } from 'vitest'
import { resolveOptions } from '../../../src/base/options.ts'
import { repairDirectory } from '../../../src/engine/repair/repair.ts'
import type { RepairReport } from '../../../src/engine/repair/report.ts'
import { kernelsOf } from '../../crash/session.ts'
import type { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { OPTIONS } from '../damaged-directories.ts'
import { DIRECTORY, place } from '../image.ts'
import { leastCommit, type NamedLog, namedLogs } from './log-evidence.ts'
import { backlogSpecimen, openOn, readPairs, type Specimen, sameContent } from './specimen.ts'

const HEADER = 64

async function repairShort(
  { image }: Specimen,
  { name }: NamedLog,
  length: number,
): Promise<{ fs: FaultFileSystem; report: RepairReport; damaged: Map<string, Buffer> }> {
  const damaged = new Map(image)
  damaged.set(name, image.get(name)!.subarray(0, length))
  const fs = place(damaged)
  const report = await repairDirectory(DIRECTORY, resolveOptions(OPTIONS), {
    fs,
    kernels: kernelsOf,
  })
  expect(report.manifest).toBe('kept')
  return { fs, report, damaged }
}

async function commitsOf({ history }: Specimen, fs: FaultFileSystem): Promise<number[]> {
  const engine = await openOn(fs)
  const content = new Map(readPairs(engine, {}))
  await engine.close()
  const all = Array.from({ length: history.last + 1 }, (_, commit) => commit)
  return all.filter((commit) => sameContent(content, history.content(commit)))
}

/** Behind the header, a frame in the middle, and the last but one. */
function shortEnds({ frames }: NamedLog): number[] {
  const ends = [HEADER, ...frames.map(({ end }) => end)]
  return [...new Set([0, Math.floor(frames.length / 2), frames.length - 1].map((i) => ends[i]!))]
}

describe('repair of a log that ends too early, between two frames', () => {
  it('tells of what its seal or a later log says was there, and of nothing else', async () => {
    const specimen = await backlogSpecimen(1)
    const logs = namedLogs(specimen.image).filter(({ frames }) => frames.length > 0)
    expect(logs.filter(({ sealed }) => sealed !== undefined).length).toBeGreaterThan(0)
    expect(logs.filter(({ sealed }) => sealed === undefined).length).toBeGreaterThan(2)
    for (const log of logs) {
      const whole = log.frames.at(-1)!.end
      for (const end of shortEnds(log)) {
        const { fs, report, damaged } = await repairShort(specimen, log, end)
        const how = `${log.name} at ${end}`
        if (log !== logs.at(-1)) {
          const file = `${DIRECTORY}/${log.name}`
          const lost = { kind: 'wal', file, offset: end, length: whole - end }
          expect(report.lost, how).toMatchObject([lost])
          continue
        }
        expect(report.lost, how).toEqual([])
        const least = leastCommit(specimen, damaged)
        expect(least, how).toBeLessThan(specimen.commit)
        expect(await commitsOf(specimen, fs), how).toContain(least)
      }
    }
  }, 60_000)
})
