import fc from 'fast-check'
import { expect, test } from 'vitest'
import { PriorityScheduler } from '../../../src/pool/priority-scheduler.ts'

interface Job {
  readonly id: number
  readonly client: number
  readonly priority: number
}

const step = fc.oneof(
  { weight: 3, arbitrary: fc.record({ client: fc.nat({ max: 2 }), priority: fc.nat({ max: 3 }) }) },
  { weight: 2, arbitrary: fc.record({ finish: fc.nat() }) },
  { weight: 1, arbitrary: fc.record({ withdraw: fc.nat() }) },
)

/** The obvious model: a list scanned for the best job whose client has room. */
class Model {
  readonly waiting: Job[] = []
  readonly running: Job[] = []
  readonly #limits: readonly number[]

  constructor(limits: readonly number[]) {
    this.#limits = limits
  }

  start(): void {
    while (this.running.length < Math.max(...this.#limits)) {
      const ready = this.waiting.filter(
        ({ client }) =>
          this.running.filter((job) => job.client === client).length < this.#limits[client]!,
      )
      if (ready.length === 0) return
      const best = ready.reduce((a, b) =>
        b.priority < a.priority || (b.priority === a.priority && b.id < a.id) ? b : a,
      )
      this.waiting.splice(this.waiting.indexOf(best), 1)
      this.running.push(best)
    }
  }
}

test('starts what a plain list would start', () => {
  const limits = [1, 2, 3]
  const property = fc.property(fc.array(step, { maxLength: 80 }), (steps) => {
    const model = new Model(limits)
    const running: { job: Job; finished: () => void }[] = []
    const scheduler = new PriorityScheduler<Job>((job, finished) => {
      running.push({ job, finished })
    })
    const clients = limits.map((limit) => scheduler.addClient(limit))
    let id = 0
    for (const each of steps) {
      if ('client' in each) {
        const job = { ...each, id: id++ }
        scheduler.submit(clients[job.client]!, job.priority, job)
        model.waiting.push(job)
      } else if ('finish' in each) {
        if (running.length === 0) continue
        const [{ job, finished }] = running.splice(each.finish % running.length, 1) as [
          (typeof running)[0],
        ]
        model.running.splice(model.running.indexOf(job), 1)
        finished()
        finished()
      } else {
        if (model.waiting.length === 0) continue
        const [job] = model.waiting.splice(each.withdraw % model.waiting.length, 1)
        expect(scheduler.withdraw(job!)).toBe(true)
        expect(scheduler.withdraw(job!)).toBe(false)
      }
      model.start()
      expect(running.map(({ job }) => job)).toEqual(model.running)
      expect(scheduler.running).toBe(model.running.length)
    }
  })
  fc.assert(property, { numRuns: 300, seed: 20_240_603 })
})

test('tells how many jobs would start at once', () => {
  const started: (() => void)[] = []
  const scheduler = new PriorityScheduler<string>((_, finished) => void started.push(finished))
  const small = scheduler.addClient(1)
  const large = scheduler.addClient(3)
  const idle = (): number[] => [small, large].map((client) => scheduler.idle(client))
  expect(idle()).toEqual([1, 3])
  scheduler.submit(small, 0, 'a')
  expect(idle()).toEqual([0, 2])
  scheduler.submit(large, 0, 'b')
  scheduler.submit(large, 0, 'c')
  expect(idle()).toEqual([0, 0])
  scheduler.submit(large, 0, 'd')
  started[0]!()
  expect(started.length).toBe(4)
  expect(idle()).toEqual([0, 0])
  started[1]!()
  expect(idle()).toEqual([1, 1])
})

test('a client that leaves takes its share along', () => {
  const started: string[] = []
  const scheduler = new PriorityScheduler<string>((job) => void started.push(job))
  const small = scheduler.addClient(1)
  const large = scheduler.addClient(4)
  expect(scheduler.clients).toBe(2)
  scheduler.removeClient(large)
  const other = scheduler.addClient(1)
  scheduler.submit(small, 0, 'a')
  scheduler.submit(other, 0, 'b')
  expect(started).toEqual(['a'])
})

/** Runs jobs one after another as the scheduler starts them, while both clients always have some waiting. */
function turns(priorities: readonly [number, number], limit: number): string {
  const started: (() => void)[] = []
  let order = ''
  const scheduler = new PriorityScheduler<string>((job, finished) => {
    order += job
    started.push(finished)
  })
  const share = { limit, running: 0 }
  const clients = ['a', 'b'].map((name) => ({ name, client: scheduler.addClient(4, share) }))
  const submit = (at: number): void =>
    scheduler.submit(clients[at]!.client, priorities[at]!, clients[at]!.name)
  for (let i = 0; i < 40; i++) {
    submit(0)
    submit(1)
    expect(share.running).toBeLessThanOrEqual(limit)
    started.shift()?.()
  }
  expect(share.running).toBe(limit)
  return order
}

test('clients of one share have its limit together', () => {
  expect(turns([1, 1], 1).length).toBe(41)
  expect(turns([1, 1], 3).length).toBe(43)
})

test('among clients of one share the less urgent gets every fourth start at least', () => {
  for (const [urgent, other] of ['ab', 'ba'].map((pair) => [...pair])) {
    const order = turns(urgent === 'a' ? [0, 3] : [3, 0], 1).slice(4)
    expect(order).not.toContain(urgent!.repeat(4))
    expect(order).not.toContain(other!.repeat(2))
  }
  const even = turns([1, 1], 2)
  const ofFirst = [...even].filter((name) => name === 'a').length
  expect(Math.abs(ofFirst - even.length / 2)).toBeLessThanOrEqual(1)
})

test('a share does not hold up clients outside it', () => {
  const started: string[] = []
  const scheduler = new PriorityScheduler<string>((job) => void started.push(job))
  const share = { limit: 1, running: 0 }
  const inside = scheduler.addClient(1, share)
  const other = scheduler.addClient(1, share)
  const outside = scheduler.addClient(3)
  scheduler.submit(inside, 0, 'inside')
  scheduler.submit(other, 0, 'other')
  scheduler.submit(outside, 4, 'outside')
  expect(started).toEqual(['inside', 'outside'])
})
