// Progress of a long command: a bar on a terminal, a plain line now and then elsewhere.
import { type Clock, systemClock } from '../../../base/clock.ts'
import { count, megabytes } from '../table.ts'
import { line, type Terminal } from '../terminal.ts'

export interface Progress {
  update(files: number, bytes: number): void
  stop(): void
}

const PLAIN_EVERY_MS = 2000

export async function startProgress(
  terminal: Terminal,
  label: string,
  total: number,
  what: 'files' | 'percent' = 'files',
): Promise<Progress> {
  if (terminal.stderr.isTTY === true) return startBar(terminal, label, total, what)
  return plainProgress(terminal, label, { total, clock: systemClock, what })
}

async function startBar(
  terminal: Terminal,
  label: string,
  total: number,
  what: 'files' | 'percent',
): Promise<Progress> {
  const { SingleBar } = await import('cli-progress')
  const counted = what === 'files' ? '  {value}/{total} files' : ''
  const format = `${label.padEnd(8)} {bar} {percentage}%${counted}  {megabytes} MB`
  const bar = new SingleBar({ format, hideCursor: true, stream: terminal.stderr, fps: 10 })
  bar.start(total, 0, { megabytes: megabytes(0) })
  return {
    update: (files, bytes) => bar.update(files, { megabytes: megabytes(bytes) }),
    stop: () => bar.stop(),
  }
}

/** One line at the start of each interval in which something was done, and one at the end. */
export function plainProgress(
  terminal: Terminal,
  label: string,
  setup: { readonly total: number; readonly clock: Clock; readonly what?: 'files' | 'percent' },
): Progress {
  const { total, clock, what = 'files' } = setup
  let shownMs = clock.monotonicMs()
  let last = { files: 0, bytes: 0 }
  const show = (): void => {
    const { files, bytes } = last
    line(
      terminal.stderr,
      `${label} ${count(files)}/${count(total)} ${what}, ${megabytes(bytes)} MB`,
    )
  }
  return {
    update(files, bytes) {
      last = { files, bytes }
      const now = clock.monotonicMs()
      if (now - shownMs < PLAIN_EVERY_MS) return
      shownMs = now
      show()
    },
    stop: show,
  }
}
