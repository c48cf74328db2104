// A soak from the empty directory to the last scan, in the process that is measured: fill, load, idle with nobody
// calling anything, then settle, scan, close, open again, scan.
import { setTimeout as delay } from 'node:timers/promises'
import { Database, presets } from 'sett'
import { engineBytes } from '../engines/sett.ts'
import { Checker, KeyModel } from './key-model.ts'
import { Load, type SoakDatabase, scanAll } from './load.ts'
import type { SoakCourse, SoakOrder, SoakPoint, SoakProgress } from './protocol.ts'
import { fileBytes, Sampler } from './sampler.ts'

/** The files are at rest when their bytes stayed the same for so long. */
const QUIET_MS = 5_000
const QUIET_STEP_MS = 500
const IDLE_MS_MAX = 300_000
/** How much of the whole a mixed load is, for the progress, where the fill, the idle phase and a pass are 1 each. */
const MIXED_PARTS = 8

interface Run {
  readonly order: SoakOrder
  readonly load: Load
  readonly sampler: Sampler
}

async function openDatabase(order: SoakOrder): Promise<SoakDatabase> {
  const db: SoakDatabase = new Database(order.location, {
    keyEncoding: 'buffer',
    valueEncoding: 'buffer',
    preset: order.preset,
    ...order.options,
  })
  await db.open()
  return db
}

/** Throws when a write fails; wrong answers do not throw, they are told in the course. */
export async function runSoak(
  order: SoakOrder,
  tell: (progress: SoakProgress) => void,
): Promise<SoakCourse> {
  const model = new KeyModel(order)
  const checker = new Checker()
  const baseBytes = process.memoryUsage.rss()
  const db = await openDatabase(order)
  const load = new Load({ db, model, checker, seed: order.seed })
  const sampler = new Sampler({
    location: order.location,
    stats: () => db.stats(),
    operations: () => load.operations,
    liveBytes: () => model.liveBytes(Date.now()),
    onPoint: (point) => tell(progressOf(point, order, load)),
  })
  const restless = await runPhases({ order, load, sampler })
  const peakBytes = process.resourceUsage().maxRSS * 1024
  const writtenBytes = engineBytes(db.stats())
  await db.settle()
  const settledBytes = fileBytes(order.location).all
  await scanAll({ db, model, checker }, 'scan')
  await db.close()
  const again = await openDatabase(order)
  await scanAll({ db: again, model, checker }, 'scan after opening again')
  await again.close()
  const { userBytes, puts, deletes, snapshots } = load
  const { checked, wrong, mistakes } = checker
  return {
    memoryBudget: presets[order.preset].memoryBudget,
    ...{ baseBytes, peakBytes, points: sampler.points, userBytes, writtenBytes, puts, deletes },
    ...{ checked, snapshots, wrong, mistakes, restless, settledBytes },
  }
}

/** True: the files still changed at the end. */
async function runPhases({ order, load, sampler }: Run): Promise<boolean> {
  try {
    await load.write(0)
    sampler.begin('load')
    if (order.load.kind === 'mixed') await load.mixed(order.load.seconds * 1_000)
    else for (let pass = 1; pass <= order.load.passes; pass++) await load.write(pass)
    sampler.begin('idle')
    return await idle(order)
  } finally {
    sampler.stop()
  }
}

/** Nobody calls anything. */
async function idle({ location, idleSeconds }: SoakOrder): Promise<boolean> {
  const began = performance.now()
  const leastMs = idleSeconds * 1_000
  let bytes = -1
  let sameSince = began
  for (;;) {
    await delay(QUIET_STEP_MS)
    const now = performance.now()
    const { all } = fileBytes(location)
    if (all !== bytes) [bytes, sameSince] = [all, now]
    if (now - began < leastMs) continue
    if (now - sameSince >= Math.min(QUIET_MS, leastMs)) return false
    if (now - began > Math.max(IDLE_MS_MAX, leastMs)) return true
  }
}

function progressOf(
  { phase, operations, ms, files, liveBytes }: SoakPoint,
  order: SoakOrder,
  load: Load,
): SoakProgress {
  const { kind } = order.load
  const loading = kind === 'mixed' ? MIXED_PARTS : order.load.passes
  const loaded = kind === 'mixed' ? MIXED_PARTS * load.share : Math.max(0, load.rounds - 1)
  const done = { fill: load.rounds, load: 1 + loaded, idle: 1 + loading }
  const space = (files.all / Math.max(1, liveBytes)).toFixed(2)
  const rate = Math.round((operations / ms) * 1_000).toLocaleString('en-US')
  return {
    share: done[phase] / (loading + 2),
    what: `${phase}  ${rate} operations/s, space ${space} × live`,
  }
}
