// Decides which job starts next: lowest priority number first, oldest first among equals. Main thread.
// Invariants: no client has more jobs running than its limit, and all together not more than the largest
// limit of a client that is still there.

/** One database's share. */
export interface SchedulerClient {
  readonly limit: number
  /** Jobs started and not yet finished. Written by the scheduler only. */
  running: number
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

  addClient(limit: number): SchedulerClient {
    const client: SchedulerClient = { limit, running: 0 }
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
      const at = this.#queue.findIndex(({ client }) => client.running < client.limit)
      if (at < 0) return
      this.#launch(this.#queue.splice(at, 1)[0]!)
    }
  }

  #launch({ client, job }: Waiting<Job>): void {
    client.running++
    this.#running++
    let finished = false
    this.#start(job, () => {
      if (finished) return
      finished = true
      client.running--
      this.#running--
      this.#fill()
    })
  }

  #measure(): void {
    this.#capacity = 0
    for (const client of this.#clients) this.#capacity = Math.max(this.#capacity, client.limit)
    this.#fill()
  }
}
