// The ways in which a writer's life ends, and what of each end is not as it should be.
import type { Prng } from '../model/prng.ts'
import { KILL_POINTS } from './kill-points.ts'
import type { WriterOrder } from './messages.ts'
import type { Progress, Verifier, Writer } from './processes.ts'

export type Ending =
  | { readonly kind: 'kill'; readonly early: boolean }
  /** By its own SIGKILL, at a named point. */
  | { readonly kind: 'point'; readonly index: number }
  | { readonly kind: 'exit' | 'throw' | 'terminate' }
  /** SIGSTOP, SIGCONT, then SIGKILL. */
  | { readonly kind: 'stop' }

/** What is ordered of every writer of a directory. */
export type CommonOrder = Pick<WriterOrder, 'directory' | 'options' | 'seed' | 'firstNumber'>

export interface Life {
  readonly order: CommonOrder
  readonly writer: () => Writer
  readonly verifier: Verifier
  readonly random: Prng
  readonly stopMs: number
}

export interface Death {
  readonly progress: Progress
  /** undefined: it ended as ordered. */
  readonly wrong: string | undefined
}

const READY_LIMIT_MS = 20_000
/** Points come by within milliseconds, if they come. */
const POINT_LIMIT_MS = 20_000
const END_LIMIT_MS = 20_000

export async function live(life: Life, ending: Ending): Promise<Death> {
  switch (ending.kind) {
    case 'kill':
      return liveUntilKilled(life, ending.early)
    case 'point':
      return liveToPoint(life, ending.index)
    case 'stop':
      return liveThroughStop(life)
    default:
      return endByItself(life, ending.kind)
  }
}

async function liveUntilKilled(life: Life, early: boolean): Promise<Death> {
  const { random } = life
  const writer = life.writer()
  await writer.start(busyOrder(life), early ? random.below(15) : READY_LIMIT_MS)
  if (!early) {
    await firstAck(writer)
    await sleep(random.below(56))
  }
  const progress = await writer.kill()
  return { progress, wrong: progress.end === undefined ? undefined : 'the writer ended by itself' }
}

async function liveToPoint(life: Life, index: number): Promise<Death> {
  const { order, random } = life
  const { phase, among, afterKill } = KILL_POINTS[index]!
  const point = { index, nth: 1 + random.below(among) }
  let before: Progress | undefined
  if (phase === 'opening' && (afterKill === true || random.chance(0.5))) {
    const first = await liveUntilKilled(life, false)
    if (first.wrong !== undefined) return first
    before = first.progress
  }
  const writer = life.writer()
  // Nothing is committed behind a life nobody looked at yet: what survives of it would not be a prefix any more.
  const brief =
    phase === 'running' ? {} : { closeAfter: phase === 'opening' ? 0 : random.below(200) }
  await writer.start({ ...busyOrder({ order, random }), ...brief, point }, READY_LIMIT_MS)
  await writer.ended(POINT_LIMIT_MS)
  const last = await writer.kill()
  const progress =
    before === undefined ? last : { ...before, struck: last.struck, errors: last.errors }
  const asOrdered = last.struck || last.closed || last.end === undefined
  return { progress, wrong: asOrdered ? undefined : 'the writer ended by itself, not at its point' }
}

async function liveThroughStop(life: Life): Promise<Death> {
  const { order, verifier, stopMs } = life
  const writer = life.writer()
  await writer.start(busyOrder(life), READY_LIMIT_MS)
  await firstAck(writer)
  await sleep(30)
  writer.signal('SIGSTOP')
  await sleep(stopMs)
  const { directory, options } = order
  const other = await verifier.verify({ directory, options: { ...options, lockTimeout: 0 } })
  const acksBefore = writer.acks
  writer.signal('SIGCONT')
  for (let waited = 0; writer.acks === acksBefore && waited < END_LIMIT_MS; waited += 10) {
    await sleep(10)
  }
  const wentOn = writer.acks > acksBefore
  const progress = await writer.kill()
  if (other.code !== 'LEVEL_LOCKED') {
    return { progress, wrong: `a stopped writer was met with ${other.code ?? 'an open database'}` }
  }
  if (!wentOn) return { progress, wrong: 'a writer that was stopped did not go on' }
  return { progress, wrong: progress.end === undefined ? undefined : 'the writer ended by itself' }
}

async function endByItself(life: Life, kind: 'exit' | 'throw' | 'terminate'): Promise<Death> {
  const { random } = life
  const writer = life.writer()
  const afterMs = 5 + random.below(56)
  const ending = kind === 'terminate' ? {} : { ending: { by: kind, afterMs } }
  await writer.start({ ...busyOrder(life), ...ending }, READY_LIMIT_MS)
  if (kind === 'terminate') {
    await firstAck(writer)
    await sleep(afterMs)
    writer.signal('SIGTERM')
  }
  await writer.ended(END_LIMIT_MS)
  const progress = await writer.kill()
  const { end, errors } = progress
  const wanted = { exit: '0 null', throw: '1 null', terminate: 'null SIGTERM' }[kind]
  const found = end === undefined ? 'that it went on' : `${end.code} ${end.signal}`
  const told = kind !== 'throw' || errors.includes('thrown on purpose')
  const wrong =
    found === wanted && told ? undefined : `${kind} ended with ${found} instead of ${wanted}`
  return { progress, wrong }
}

/** Before it there is nothing to lose, and a busy machine would end most lives there. */
async function firstAck(writer: Writer): Promise<void> {
  for (let waited = 0; writer.acks === 0 && waited < END_LIMIT_MS; waited += 2) await sleep(2)
}

function busyOrder({ order, random }: Pick<Life, 'order' | 'random'>): WriterOrder {
  const { directory, options, seed, firstNumber } = order
  const lanes = random.chance(0.3) ? 1 : 2 + random.below(31)
  return { directory, options, seed, firstNumber, lanes }
}

function sleep(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms))
}
