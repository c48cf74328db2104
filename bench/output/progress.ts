// How far a long command is: a bar on a terminal, a plain line now and then elsewhere; both with the time left.
/// <reference path="../../src/adapters/cli/cli-progress.d.ts" />
import { SingleBar } from 'cli-progress'

export type ProgressStream = NodeJS.WritableStream & { readonly isTTY?: boolean }

export interface Progress {
  /** What runs now, after `done` parts of all. */
  show(done: number, what: string): void
  /** A line of its own that stays. */
  note(text: string): void
  stop(): void
}

const PLAIN_EVERY_MS = 10_000

/** `total` parts that take about equally long. */
export function startProgress(stream: ProgressStream, total: number): Progress {
  const started = performance.now()
  const left = (done: number): string => timeLeft(performance.now() - started, done / total)
  return stream.isTTY === true ? bar(stream, total, left) : plain(stream, total, left)
}

function bar(stream: ProgressStream, total: number, left: (done: number) => string): Progress {
  const shown = new SingleBar({
    format: '{bar} {percentage} %  {left}  {what}',
    hideCursor: true,
    clearOnComplete: true,
    stream,
    fps: 4,
  })
  let last = { done: 0, what: '' }
  const start = (): void =>
    shown.start(total, last.done, { what: last.what, left: left(last.done) })
  start()
  return {
    show(done, what) {
      last = { done, what }
      shown.update(done, { what, left: left(done) })
    },
    note(text) {
      shown.stop()
      stream.write(`${text}\n`)
      start()
    },
    stop: () => shown.stop(),
  }
}

function plain(stream: ProgressStream, total: number, left: (done: number) => string): Progress {
  let shownMs = Number.NEGATIVE_INFINITY
  return {
    show(done, what) {
      if (performance.now() - shownMs < PLAIN_EVERY_MS) return
      shownMs = performance.now()
      stream.write(`${done}/${total}  ${left(done)}  ${what}\n`)
    },
    note: (text) => void stream.write(`${text}\n`),
    stop: () => undefined,
  }
}

/** In words, from the share done so far. */
export function timeLeft(elapsedMs: number, share: number): string {
  if (share <= 0) return 'time left unknown'
  const secondsLeft = (elapsedMs / 1000 / share) * (1 - share)
  return secondsLeft < 90
    ? `${Math.ceil(secondsLeft)} s left`
    : `${Math.ceil(secondsLeft / 60)} min left`
}
