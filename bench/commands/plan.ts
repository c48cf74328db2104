// Workloads × engine → the processes that measure them, in order. What leaves a database spoiled comes last, and what
// must begin with a whole one finds it topped up off the clock.
import type { DatasetSpec } from '../data/dataset.ts'
import type { DurabilityClass, Engine } from '../engines/engine.ts'
import type { SessionOrder, Step } from '../session/protocol.ts'
import type { WorkloadInfo } from '../workloads/workload-info.ts'

export interface PlannedSession {
  readonly order: SessionOrder
  /** `empty`: the directory is removed first. Default: `keep`. */
  readonly before?: 'empty' | 'keep'
  /** `remove`: the directory is removed afterwards. Default: `keep`. */
  readonly after?: 'keep' | 'remove'
  /** The process is killed once its steps are done, so that nothing is closed. */
  readonly killAfter?: boolean
}

export type PlannedEngine = Pick<Engine, 'name' | 'persistent' | 'durability' | 'only'>

export interface PlanSetup {
  readonly workloads: readonly WorkloadInfo[]
  readonly dataset: DatasetSpec
  /** null: Sett's default. */
  readonly memtableBytes: number | null
  /** Length of a cell that ends by time; those that the vocabulary gives more get more in proportion. */
  readonly seconds: number
}

/** What the vocabulary writes its seconds for; other lengths are taken in proportion. */
export const CELL_SECONDS = 3
/** The fill whose database the reads and rewrites go on with. */
const MAIN_FILL = 'fillrandom'
/** What leaves values of both generations behind. */
const REWRITING = ['readwhilewriting', 'overwrite']
/** What happens to the main database after the reads. */
const REWRITES = [
  'overwrite',
  'compact',
  'reopen-close',
  'reopen-kill',
  'deleterange',
  'deleterandom',
]

export function durabilityOf({ group }: WorkloadInfo): DurabilityClass {
  return group === 'sync' ? 'sync' : 'os'
}

function offers(engine: PlannedEngine, info: WorkloadInfo): boolean {
  return (
    engine.durability[durabilityOf(info)] !== undefined &&
    (engine.only === undefined || engine.only.includes(info.name)) &&
    (engine.persistent || info.group !== 'space')
  )
}

/** The sessions of one engine in one run; none when it offers nothing of what is asked. Pure. */
export function planSessions(
  engine: PlannedEngine,
  setup: PlanSetup,
  root: string,
): readonly PlannedSession[] {
  const offered = setup.workloads.filter((info) => offers(engine, info))
  const aside = offered.filter(({ begins, name }) => begins === 'empty' && name !== MAIN_FILL)
  return [
    ...aside.map((info): PlannedSession => {
      const order = orderOf(engine, setup, `${root}/${info.name}`)
      const class_ = durabilityOf(info)
      const steps = [stepOf(info, setup)]
      return { order: { ...order, durability: class_, steps }, before: 'empty', after: 'remove' }
    }),
    ...planMain(
      engine,
      setup,
      offered.filter((info) => !aside.includes(info)),
      `${root}/main`,
    ),
  ]
}

function orderOf(engine: PlannedEngine, setup: PlanSetup, location: string): SessionOrder {
  return {
    engine: engine.name,
    location,
    dataset: setup.dataset,
    durability: 'os',
    memtableBytes: setup.memtableBytes,
    workers: null,
    steps: [],
  }
}

function stepOf({ name, seconds }: WorkloadInfo, setup: PlanSetup, rewritten = false): Step {
  const scaled = seconds === undefined ? null : (seconds * setup.seconds) / CELL_SECONDS
  const step = { workload: name, operations: null, seconds: scaled }
  return rewritten ? { ...step, parameters: { generation: 'either' } } : step
}

const PREPARE: Step = { workload: 'prepare', operations: null, seconds: null }
const UNCLEAN: Step = { workload: 'unclean', operations: null, seconds: null }

/** fillrandom → all reads in one process → rewrites, each in its own. */
function planMain(
  engine: PlannedEngine,
  setup: PlanSetup,
  offered: readonly WorkloadInfo[],
  location: string,
): readonly PlannedSession[] {
  const order = orderOf(engine, setup, location)
  const planned: PlannedSession[] = []
  let whole = false
  let missing: 'all' | 'ranges' = 'all'
  let rewritten = false
  const stepsOf = (infos: readonly WorkloadInfo[]): readonly Step[] => {
    const steps = infos.map((info) => stepOf(info, setup, rewritten))
    // What is in memory only is filled anew in each process.
    if (infos.some(({ name }) => REWRITING.includes(name))) rewritten = engine.persistent
    return steps
  }
  const add = (steps: readonly Step[], rest: Omit<PlannedSession, 'order'> = {}): void => {
    planned.push({ order: { ...order, steps }, ...rest })
  }
  /** Beside the measured process where there is a disk, inside it where there is none. */
  const addOnWhole = (steps: readonly Step[]): void => {
    if (engine.persistent && !whole) {
      const refill: Step = { ...PREPARE, parameters: { missing } }
      add([missing === 'all' ? PREPARE : refill], planned.length === 0 ? { before: 'empty' } : {})
    }
    whole = true
    add(engine.persistent ? steps : [PREPARE, ...steps])
  }
  const fill = offered.find(({ name }) => name === MAIN_FILL)
  if (fill !== undefined) {
    add(stepsOf([fill]), { before: 'empty' })
    whole = true
  }
  const settled = offered.filter(({ begins }) => begins === 'settled')
  // What writes beside its reads comes last: after it values are of either generation.
  const reads = [...settled.filter((info) => !info.spoils), ...settled.filter((i) => i.spoils)]
  if (reads.length > 0) addOnWhole(stepsOf(reads))
  for (const name of REWRITES) {
    const info = offered.find((one) => one.name === name)
    if (info === undefined) continue
    if (name === 'reopen-kill') {
      addOnWhole([UNCLEAN])
      planned.push({ ...planned.pop()!, killAfter: true })
    }
    addOnWhole(stepsOf([info]))
    if (info.spoils) whole = false
    missing = name === 'deleterange' ? 'ranges' : 'all'
  }
  const last = planned.pop()
  return last === undefined ? [] : [...planned, { ...last, after: 'remove' }]
}

/** How many copies of the dataset lie on disk at once, at most. */
export function datasetsAtOnce(sessions: readonly PlannedSession[]): number {
  const held = new Set<string>()
  let most = 0
  for (const { order, after } of sessions) {
    held.add(order.location)
    most = Math.max(most, held.size)
    if (after === 'remove') held.delete(order.location)
  }
  return most
}
