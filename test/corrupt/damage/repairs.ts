// Repairs harmed databases: what comes out opens, verifies, holds nothing that never was, and all of what was not
// told as lost.
import { resolveOptions } from '../../../src/base/options.ts'
import { repairDirectory } from '../../../src/engine/repair/repair.ts'
import type { RepairReport } from '../../../src/engine/repair/report.ts'
import { kernelsOf } from '../../crash/session.ts'
import { prng } from '../../model/prng.ts'
import { OPTIONS } from '../damaged-directories.ts'
import { DIRECTORY, place } from '../image.ts'
import { HARM_KINDS, type Harm, Harmer } from './harm.ts'
import { leastCommit } from './log-evidence.ts'
import { openOn, readPairs, type Specimen, sameContent } from './specimen.ts'
import type { Specimens } from './suite.ts'

export interface RepairCounts {
  repaired: number
  /** Nothing was lost. */
  whole: number
  readonly wrong: string[]
}

const options = resolveOptions(OPTIONS)

export async function repairHarmed(
  { seed, repairs }: { readonly seed: number; readonly repairs: number },
  specimens: Specimens,
): Promise<RepairCounts> {
  const random = prng(seed, 31)
  const counts: RepairCounts = { repaired: 0, whole: 0, wrong: [] }
  const values = specimens.all.map(valuesOf)
  for (let i = 0; i < repairs; ) {
    const chosen = random.below(specimens.all.length)
    const specimen = specimens.all[chosen]!
    const harmer = new Harmer(specimen, specimens.foreign[chosen]!, random)
    const harm = harmer.harm(HARM_KINDS[i % HARM_KINDS.length]!)
    if (harm === undefined) continue
    i += 1
    const wrong = await repairOne(specimen, harm, values[chosen]!, counts)
    const what = `${specimen.name}: ${harm.kind} ${harm.file} ${harm.what}`
    if (wrong !== undefined) counts.wrong.push(`${what}: ${wrong}`)
  }
  return counts
}

type Values = ReadonlyMap<string, ReadonlySet<string>>

/** Every value a key ever had. */
function valuesOf({ history, commit }: Specimen): Values {
  const values = new Map<string, Set<string>>()
  for (let c = 1; c <= commit; c++) {
    for (const [key, value] of history.content(c)) {
      const known = values.get(key)
      if (known === undefined) values.set(key, new Set([value]))
      else known.add(value)
    }
  }
  return values
}

/** Returns what is wrong. */
async function repairOne(
  specimen: Specimen,
  harm: Harm,
  values: Values,
  counts: RepairCounts,
): Promise<string | undefined> {
  const fs = place(harm.image)
  const report = await repairDirectory(DIRECTORY, options, { fs, kernels: kernelsOf })
  counts.repaired += 1
  const engine = await openOn(fs)
  try {
    const content = new Map(readPairs(engine, {}))
    const { problems } = await engine.verify({})
    if (problems.length > 0) return `it does not verify: ${problems[0]?.file}`
    for (const [key, value] of content) {
      if (values.get(key)?.has(value) !== true) return `${key} never had that value`
    }
    if (report.lost.length === 0) counts.whole += 1
    return missing(specimen, harm, { content, report })
  } finally {
    await engine.close()
  }
}

/** What is missing though nobody said that it was lost. */
function missing(
  specimen: Specimen,
  { image }: Harm,
  { content, report }: { content: ReadonlyMap<string, string>; report: RepairReport },
): string | undefined {
  const { history, commit } = specimen
  if (report.lost.length === 0 && report.manifest === 'kept') {
    const least = leastCommit(specimen, image)
    for (let c = commit; c >= least; c--) {
      if (sameContent(content, history.content(c))) return undefined
    }
    return 'nothing was told as lost, and it is not all there'
  }
  // Without its manifest, what a compaction had replaced cannot be told from what counts.
  if (report.manifest === 'rebuilt' && !specimen.closed) return undefined
  if (report.lost.some(({ keys }) => keys === undefined)) return undefined
  for (const [key, value] of history.content(commit)) {
    if (!isLost(key, report) && content.get(key) !== value) return `${key} is not what it was`
  }
  return undefined
}

function isLost(key: string, { lost }: RepairReport): boolean {
  const bytes = Buffer.from(key)
  return lost.some(({ keys }) => {
    if (keys === undefined) return false
    return Buffer.compare(keys.first, bytes) <= 0 && Buffer.compare(bytes, keys.last) <= 0
  })
}
