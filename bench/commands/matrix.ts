// Engines × runs × planned sessions → a RunRecord: interleaved, the order rotated from run to run, each session in a
// process of its own. A session that fails leaves a gap with its cause, never a figure.
import { join } from 'node:path'
import type { Engine } from '../engines/engine.ts'
import { machineFacts, sourceFacts } from '../output/machine.ts'
import { type Progress, type ProgressStream, startProgress } from '../output/progress.ts'
import {
  type EngineNote,
  type Gap,
  RECORD_VERSION,
  type RecordKind,
  type RunRecord,
  type Sample,
  type Section,
} from '../output/record.ts'
import { CONTROL, controlOrder } from '../session/control.ts'
import type { SessionOrder, SessionResult } from '../session/protocol.ts'
import { runSession } from '../session/run-session.ts'
import { interruptible, messageOf } from './errors.ts'
import { datasetsAtOnce, type PlannedSession } from './plan.ts'
import { type FreeBytes, freeBytes, removeTree, requireSpace, withScratch } from './scratch.ts'

export type { PlannedSession } from './plan.ts'

export interface MatrixSection {
  readonly section: Section
  /** What one engine does in one run, in databases below `root`; empty: it takes no part. */
  readonly sessions: (engine: Engine, root: string) => readonly PlannedSession[]
  /** Default: `runs` of the matrix. */
  readonly runs?: number
}

export interface MatrixOptions {
  readonly kind: RecordKind
  readonly engines: readonly Engine[]
  readonly runs: number
  /** The databases lie in a new folder below it, which is removed however the matrix ends. */
  readonly directory: string
  readonly command: string
  readonly sections: readonly MatrixSection[]
  /** True: after each fillrandom of `sett`, the event-loop delay of an idle main thread beside equally busy threads. */
  readonly control?: boolean
}

/** What a matrix takes from outside. */
export interface Surroundings {
  readonly runSession: typeof runSession
  readonly freeBytes: FreeBytes
  readonly progress: ProgressStream
}

const SURROUNDINGS: Surroundings = { runSession, freeBytes, progress: process.stderr }

/** The engine whose threads the control is as busy as. */
const OURS = 'sett'
/** Bytes on disk for a byte of keys and values, at most: garbage until it is compacted, logs, half-empty pages. */
const SPACE_FACTOR = 3.5
const SPACE_FLOOR = 64 * 2 ** 20
const LIMIT_SECONDS = 120
const SLOWEST_PER_SECOND = 5_000

/** 1 when something that was to be measured failed. */
export function exitCodeOf({ gaps = [] }: RunRecord): number {
  return gaps.some(({ failed }) => failed) ? 1 : 0
}

/**
 * Throws when no engine can be loaded, when the disk is too small, and `Interrupted` on Ctrl-C, its folders removed.
 * Failures of single sessions do not throw: see `gaps` of the record and `exitCodeOf`.
 */
export function runMatrix(
  options: MatrixOptions,
  surroundings: Surroundings = SURROUNDINGS,
): Promise<RunRecord> {
  return interruptible(async (aborted) => {
    const started = performance.now()
    await requireSpace(options.directory, neededBytes(options), surroundings.freeBytes)
    const notes = await Promise.all(options.engines.map((engine) => noteOf(engine, options)))
    const engines = options.engines.filter((_, at) => notes[at]!.leftOut === undefined)
    for (const { name, leftOut } of notes) {
      if (leftOut !== undefined) surroundings.progress.write(`${name} is left out: ${leftOut}\n`)
    }
    if (engines.length === 0) throw new Error('nothing can be measured: every engine is left out')
    const machine = machineFacts(options.directory)
    const taken = await withScratch(options.directory, (root) =>
      new Matrix({ ...options, engines }, surroundings, { root, aborted }).run(),
    )
    return {
      recordVersion: RECORD_VERSION,
      kind: options.kind,
      date: new Date().toISOString(),
      ...sourceFacts(),
      command: options.command,
      machine: { ...machine, load: [machine.load[0], machineFacts(options.directory).load[0]] },
      runs: options.runs,
      tookSeconds: (performance.now() - started) / 1000,
      engines: notes,
      sections: options.sections.map(({ section }) => section),
      ...taken,
    }
  })
}

/** The most that lies on disk at once: engines take turns, so the largest of them counts. */
function neededBytes({ engines, sections }: MatrixOptions): number {
  const each = engines.flatMap((engine) =>
    sections.map(({ section, sessions }) => {
      const { count, keyBytes, valueBytes } = section.dataset
      const copies = engine.persistent ? datasetsAtOnce(sessions(engine, '')) : 0
      return copies * count * (keyBytes + valueBytes) * SPACE_FACTOR
    }),
  )
  return SPACE_FLOOR + Math.max(0, ...each)
}

async function noteOf(engine: Engine, { sections }: MatrixOptions): Promise<EngineNote> {
  const { name, kind } = engine
  const planned = sections.flatMap(({ sessions }) => sessions(engine, ''))
  const classes = [...new Set(planned.map(({ order }) => order.durability))]
  const durability = classes
    .map((name) => `${classes.length > 1 ? `${name}: ` : ''}${engine.durability[name] ?? ''}`)
    .join('; ')
  const leftOut = (why: string): EngineNote => ({
    name,
    kind,
    version: '',
    durability,
    leftOut: why,
  })
  if (planned.length === 0) return leftOut('it offers none of the chosen workloads')
  try {
    const { version } = 'load' in engine ? await engine.load() : await engine.program()
    return { name, kind, version, durability }
  } catch (error) {
    return leftOut(messageOf(error))
  }
}

interface Place {
  readonly root: string
  readonly aborted: AbortSignal
}

interface Turn {
  readonly engine: Engine
  readonly run: number
  readonly section: Section
  readonly sessions: readonly PlannedSession[]
}

class Matrix {
  readonly #options: MatrixOptions
  readonly #surroundings: Surroundings
  readonly #place: Place
  readonly #samples: Sample[] = []
  readonly #controls: Sample[] = []
  readonly #gaps: Gap[] = []
  readonly #turns: readonly Turn[]
  readonly #progress: Progress
  #done = 0

  constructor(options: MatrixOptions, surroundings: Surroundings, place: Place) {
    this.#options = options
    this.#surroundings = surroundings
    this.#place = place
    this.#turns = turnsOf(options, place.root)
    const steps = this.#turns.flatMap(({ sessions }) => sessions).map(stepsIn)
    this.#progress = startProgress(
      surroundings.progress,
      steps.reduce((sum, count) => sum + count, 0),
    )
  }

  async run(): Promise<Pick<RunRecord, 'samples' | 'controls' | 'gaps'>> {
    try {
      for (const turn of this.#turns) await this.#runTurn(turn)
    } finally {
      this.#progress.stop()
    }
    return { samples: this.#samples, controls: this.#controls, gaps: this.#gaps }
  }

  async #runTurn(turn: Turn): Promise<void> {
    /** Directories in which a session failed: what was to go on there would measure something else. */
    const broken = new Set<string>()
    for (const planned of turn.sessions) {
      const { location } = planned.order
      if (planned.before === 'empty') await removeTree(location)
      if (!broken.has(location)) {
        if (!(await this.#runOne(turn, planned))) broken.add(location)
      } else {
        this.#addGaps(turn, planned, 'the session before it failed')
      }
      this.#done += stepsIn(planned)
      if (planned.after === 'remove') await removeTree(location)
    }
    for (const { order } of turn.sessions) await removeTree(order.location)
    if (this.#options.control === true && turn.engine.name === OURS) await this.#runControl(turn)
  }

  /** False: it failed. */
  async #runOne(turn: Turn, planned: PlannedSession): Promise<boolean> {
    const { engine, run, section } = turn
    const { order, killAfter = false } = planned
    const names = order.steps.map(({ workload }) => workload)
    const what = names.length > 2 ? `${names[0]} … ${names.at(-1)}` : names.join(', ')
    const runs = this.#options.runs > 1 ? `run ${run + 1}  ` : ''
    this.#progress.show(this.#done, `${runs}${section.title}  ${engine.name}  ${what}`)
    const result = await this.#measure(engine, planned, (cause) =>
      this.#addGaps(turn, planned, cause),
    )
    if (result === undefined) return false
    // What a killed process did was to leave a database behind.
    if (!killAfter) this.#samples.push(...samplesOf(turn, order, result))
    for (const { workload, why } of result.skipped) {
      this.#gaps.push({ ...placeOf(turn, order), workload, cause: why, failed: false })
    }
    return true
  }

  /** Beside what Sett's fillrandom of this turn was. */
  async #runControl(turn: Turn): Promise<void> {
    const fill = this.#samples.findLast(
      ({ engine, run, section, workload }) =>
        workload === 'fillrandom' &&
        engine === turn.engine.name &&
        run === turn.run &&
        section === turn.section.title,
    )
    if (fill === undefined) return
    const order = controlOrder(fill)
    const control = { ...turn, engine: CONTROL }
    this.#progress.show(this.#done, 'control: an idle main thread beside busy ones')
    const result = await this.#measure(CONTROL, { order }, (cause) =>
      this.#addGaps(control, { order }, cause),
    )
    if (result !== undefined) this.#controls.push(...samplesOf(control, order, result))
  }

  async #measure(
    engine: Measured,
    planned: PlannedSession,
    onFailure: (cause: string) => void,
  ): Promise<SessionResult | undefined> {
    const { aborted } = this.#place
    const { order, killAfter = false } = planned
    const options = { signal: aborted, timeoutMs: limitMs(planned), killAfter }
    try {
      return await this.#surroundings.runSession(engine, order, options)
    } catch (error) {
      aborted.throwIfAborted()
      const cause = messageOf(error)
      this.#progress.note(`FAILED: ${cause}`)
      onFailure(cause)
      return undefined
    }
  }

  #addGaps(turn: Of, { order }: PlannedSession, cause: string): void {
    for (const { workload } of order.steps) {
      this.#gaps.push({ ...placeOf(turn, order), workload, cause, failed: true })
    }
  }
}

/** An engine, or what stands in its place. */
type Measured = Parameters<typeof runSession>[0]
type Of = Pick<Turn, 'run' | 'section'> & { readonly engine: Measured }

function placeOf(
  { engine, run, section }: Of,
  { durability }: SessionOrder,
): Pick<Sample, 'engine' | 'run' | 'section' | 'durability'> {
  return { engine: engine.name, run, section: section.title, durability }
}

function samplesOf(turn: Of, order: SessionOrder, result: SessionResult): readonly Sample[] {
  const { cells, peakMiB, cpuSeconds } = result
  return cells.map((cell) => ({
    ...cell,
    ...placeOf(turn, order),
    peakMiB,
    sessionCpuSeconds: cpuSeconds,
  }))
}

/**
 * Run by run, section by section, engine by engine; each run begins with another engine. What bounds the harness runs
 * once, as it is compared with nothing; what bounds the disk (`only`) runs each time, as targets are ratios to it.
 */
function turnsOf({ engines, runs, sections }: MatrixOptions, root: string): readonly Turn[] {
  const turns: Turn[] = []
  const most = Math.max(...sections.map((one) => one.runs ?? runs))
  for (let run = 0; run < most; run++) {
    const first = run % engines.length
    const rotated = [...engines.slice(first), ...engines.slice(0, first)]
    sections.forEach(({ section, sessions, runs: own = runs }, at) => {
      if (run >= own) return
      for (const engine of rotated) {
        if (run > 0 && engine.kind === 'bound' && engine.only === undefined) continue
        const folder = `${run}-${at}-${engine.name.replaceAll(/[^\w-]/g, '-')}`
        turns.push({ engine, run, section, sessions: sessions(engine, join(root, folder)) })
      }
    })
  }
  return turns
}

function stepsIn({ order }: PlannedSession): number {
  return order.steps.length
}

/** Far more than any engine needs: it ends what hangs. */
function limitMs({ order }: PlannedSession): number {
  const timed = order.steps.reduce((sum, { seconds }) => sum + (seconds ?? 0), 0)
  const counted = (order.dataset.count / SLOWEST_PER_SECOND) * order.steps.length
  return (LIMIT_SECONDS + 10 * timed + counted) * 1000
}
