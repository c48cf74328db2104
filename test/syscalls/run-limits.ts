// Limits of the system on a process: descriptors, lengths of files, and a volume of its own that gets full. No tracing.
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { Trial } from './trial.ts'

export interface LimitedRun {
  readonly title: string
  /** Shell commands before the process, such as `ulimit -n 40`; `$DB` is the directory. */
  readonly limits: string
  readonly lives: number
  readonly commits: number
  /** Life after life, with one descriptor more. */
  readonly squeeze?: boolean
}

/** Lives under limits, then without. */
export async function runLimited(program: URL, trial: Trial, run: LimitedRun): Promise<void> {
  const { title, limits, lives, commits, squeeze = false } = run
  const { directory, next } = trial
  const args = [directory, lives, commits, next, ...(squeeze ? ['squeeze'] : [])].map(String)
  const command = [process.execPath, fileURLToPath(program), ...args]
  const ran = spawnSync('/bin/bash', ['-c', `${limits}; exec "$0" "$@"`, ...command], {
    encoding: 'utf8',
    env: { ...process.env, DB: directory },
    timeout: 300_000,
    maxBuffer: 2 ** 26,
  })
  const { status, signal, stderr, stdout } = ran
  const ended = status === 0 && stdout.endsWith('end\n')
  if (!ended) trial.fail(title, `it ended with ${status ?? signal}: ${stderr}`)
  await trial.check(title, stdout)
}
