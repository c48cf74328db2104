// Decides which job starts next: lowest priority number first, oldest first among equals. Main thread.
// Invariants: no client has more jobs running than its limit, clients of one share together not more than the share's,
// and all together not more than the largest limit of a client that is still there. Among clients of one share, none
// is passed over by the others' more urgent jobs for ever.

import type { WorkerShare } from '../base/shared-resources.ts'

/** A client whose jobs waited while others of its share started so many goes next, urgent or not. */
const PASSED_MOST = 3

/** One database's share. */
export interface SchedulerClient {
  readonly limit: number
  /** Jobs started and not yet finished. Written by the scheduler only. */
  running: number
  /** A limit it has in common with others. */
  readonly share: WorkerShare | undefined
  /** Jobs of others of its share that started since one of its own could have. Written by the scheduler only. */
  passed: number
}

interface Waiting<Job> {
  readonly client: SchedulerClient
  readonly priority: number
  readonly job: Job
}

/** Keeps a queue in starting order. A few dozen entries at most: no heap needed. */
export function insertByPriority<T extends { readonly priority: number }>(
  queue: T[],
  entry: T,
): void {
  let at = queue.length
  while (at > 0 && queue[at - 1]!.priority > entry.priority) at--
  queue.splice(at, 0, entry)
}

export class PriorityScheduler<Job> {
  readonly #start: (job: Job, finished: () => void) => void
  readonly #clients = new Set<SchedulerClient>()
  readonly #queue: Waiting<Job>[] = []
  #running = 0
  #capacity = 0

  /** `start` runs a job and calls `finished` once it no longer occupies a thread; it must not throw. */
  constructor(start: (job: Job, finished: () => void) => void) {
    this.#start = start
  }

  get clients(): number {
    return this.#clients.size
  }

  get running(): number {
    return this.#running
  }

  /** The largest limit of a client. */
  get capacity(): number {
    return this.#capacity
  }

  /** How many jobs of the client would start at once. */
  idle({ limit, running }: SchedulerClient): number {
    const free = Math.min(limit - running, this.#capacity - this.#running)
    return Math.max(0, free - this.#queue.length)
  }

  addClient(limit: number, share?: WorkerShare): SchedulerClient {
    const client: SchedulerClient = { limit, running: 0, share, passed: 0 }
    this.#clients.add(client)
    this.#measure()
    return client
  }

  /** The client has nothing queued or running. */
  removeClient(client: SchedulerClient): void {
    this.#clients.delete(client)
    this.#measure()
  }

  submit(client: SchedulerClient, priority: number, job: Job): void {
    insertByPriority(this.#queue, { client, priority, job })
    this.#fill()
  }

  /** Takes a job out of the queue; false = it was started or never here. */
  withdraw(job: Job): boolean {
    const at = this.#queue.findIndex((waiting) => waiting.job === job)
    if (at < 0) return false
    this.#queue.splice(at, 1)
    return true
  }

  #fill(): void {
    while (this.#running < this.#capacity) {
      const at = this.#next()
      if (at < 0) return
      this.#launch(this.#queue.splice(at, 1)[0]!)
    }
  }

  #next(): number {
    const first = this.#queue.findIndex(({ client }) => mayStart(client))
    if (first < 0) return first
    const { share } = this.#queue[first]!.client
    if (share === undefined) return first
    const passedOver = this.#queue.findIndex(
      ({ client }) => client.share === share && client.passed >= PASSED_MOST && mayStart(client),
    )
    return passedOver < 0 ? first : passedOver
  }

  #launch({ client, job }: Waiting<Job>): void {
    const { share } = client
    client.running++
    this.#running++
    if (share !== undefined) {
      share.running++
      this.#passOver(client, share)
    }
    let finished = false
    this.#start(job, () => {
      if (finished) return
      finished = true
      client.running--
      this.#running--
      if (share !== undefined) share.running--
      this.#fill()
    })
  }

  #passOver(started: SchedulerClient, share: WorkerShare): void {
    started.passed = 0
    const waiting = new Set(this.#queue.map(({ client }) => client))
    for (const client of waiting) {
      const held = client.share === share && client !== started
      if (held && client.running < client.limit) client.passed++
    }
  }

  #measure(): void {
    this.#capacity = 0
    for (const client of this.#clients) this.#capacity = Math.max(this.#capacity, client.limit)
    this.#fill()
  }
}

function mayStart({ running, limit, share }: SchedulerClient): boolean {
  return running < limit && (share === undefined || share.running < share.limit)
}
