// A flag its owner raises once to stop one job or many, and how an executor follows such flags. Main thread.
import type { CancelFlag } from './executor.ts'

export function createCancelFlag(): CancelFlag {
  const listeners: (() => void)[] = []
  let raised = false
  return {
    get cancelled() {
      return raised
    },
    cancel() {
      if (raised) return
      raised = true
      for (const listener of listeners.splice(0)) listener()
    },
    onCancel(listener) {
      if (raised) listener()
      else listeners.push(listener)
    },
  }
}

/** Listens once to each flag, however many jobs it covers, so a flag that lives long gathers no listeners. */
export class CancelWatch<Job> {
  readonly #onCancel: (job: Job) => void
  readonly #jobs = new WeakMap<CancelFlag, Set<Job>>()

  constructor(onCancel: (job: Job) => void) {
    this.#onCancel = onCancel
  }

  add(flag: CancelFlag | undefined, job: Job): void {
    if (flag === undefined) return
    let jobs = this.#jobs.get(flag)
    if (jobs === undefined) {
      const covered = new Set<Job>()
      jobs = covered
      this.#jobs.set(flag, covered)
      flag.onCancel(() => {
        for (const each of [...covered]) this.#onCancel(each)
      })
    }
    jobs.add(job)
  }

  remove(flag: CancelFlag | undefined, job: Job): void {
    if (flag !== undefined) this.#jobs.get(flag)?.delete(job)
  }
}
