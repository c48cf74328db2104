import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { drainSyncWorker, type SyncerHandle, syncWorker } from '../../../src/pool/sync-worker.ts'
import { builtUrl, supportUrl } from '../../support/built.ts'

const real = new URL('workers/sync.js', builtUrl)
const fake = supportUrl('fake-sync-worker.mjs')

let directory = ''
let descriptor = -1

beforeAll(() => {
  directory = mkdtempSync(join(tmpdir(), 'sett-sync-'))
  descriptor = openSync(join(directory, 'file'), 'w')
})

afterEach(() => drainSyncWorker())

afterAll(() => {
  closeSync(descriptor)
  rmSync(directory, { recursive: true })
})

describe('real files', () => {
  test('are synced, many at a time', async () => {
    const syncer = syncWorker({ workerUrl: real })
    writeSync(descriptor, 'some bytes')
    await syncer.dataSync(descriptor)
    await Promise.all(Array.from({ length: 200 }, () => syncer.dataSync(descriptor)))
    syncer.release()
  })

  test('a refused descriptor comes back as the system error', async () => {
    const syncer = syncWorker({ workerUrl: real })
    await expect(syncer.dataSync(999_999)).rejects.toMatchObject({
      code: 'EBADF',
      syscall: 'fdatasync',
      message: 'EBADF: bad file descriptor, fdatasync',
    })
    await syncer.dataSync(descriptor)
    syncer.release()
  })
})

describe('the thread', () => {
  test('answers in order, and keeps what is beyond its slots', async () => {
    const syncer = syncWorker({ workerUrl: fake })
    const order: number[] = []
    const syncs = Array.from({ length: 300 }, (_, i) =>
      syncer.dataSync(i).then(() => void order.push(i)),
    )
    await Promise.all(syncs)
    expect(order).toEqual(Array.from({ length: 300 }, (_, i) => i))
    syncer.release()
  })

  test('that dies rejects what is pending and is started again by the next sync', async () => {
    const syncer = syncWorker({ workerUrl: fake })
    for (let round = 0; round < 3; round++) {
      const before = syncer.dataSync(1)
      const death = syncer.dataSync(1000)
      const after = Array.from({ length: 100 }, (_, i) => syncer.dataSync(i))
      const outcomes = await Promise.allSettled([before, death, ...after])
      expect(outcomes[0]!.status).toBe('fulfilled')
      for (const outcome of outcomes.slice(1)) {
        expect(outcome).toMatchObject({
          status: 'rejected',
          reason: { code: 'SETT_WORKER_FAILED' },
        })
      }
    }
    await syncer.dataSync(1)
    syncer.release()
  })

  test('a failure without an error number is an error too', async () => {
    const syncer = syncWorker({ workerUrl: fake })
    await expect(syncer.dataSync(3000)).rejects.toMatchObject({ code: 'SETT_WORKER_FAILED' })
    await syncer.dataSync(1)
    syncer.release()
  })

  test('that does not start names its file', async () => {
    const syncer = syncWorker({ workerUrl: supportUrl('broken-worker.mjs') })
    for (let i = 0; i < 2; i++) {
      const error = await syncer.dataSync(1).catch((caught: unknown) => caught)
      expect(error).toMatchObject({ code: 'SETT_WORKER_FAILED' })
      expect(String(error)).toContain('broken-worker.mjs')
    }
    syncer.release()
  })

  test('serves every holder until the last lets go; release can be repeated', async () => {
    const one = syncWorker({ workerUrl: fake })
    const two = syncWorker({ workerUrl: fake })
    await one.dataSync(1)
    one.release()
    one.release()
    await drainSyncWorker()
    await two.dataSync(2)
    const slow = two.dataSync(2040)
    two.release()
    await drainSyncWorker()
    await slow
    expect(() => two.dataSync(1)).toThrow('released')
    expect(process.getActiveResourcesInfo()).not.toContain('MessagePort')
  })
})

describe('until the thread is up', () => {
  /** Resolves once a request goes to the thread and to nothing else. */
  async function threadIsUp(syncer: SyncerHandle): Promise<void> {
    syncer.start()
    let early = true
    while (early) {
      await new Promise((resolve) => setTimeout(resolve, 5))
      early = false
      await syncer.dataSync(1, async () => {
        early = true
      })
    }
  }

  test('syncs go the other way, one at a time, in order; later ones go to the thread', async () => {
    const syncer = syncWorker({ workerUrl: fake })
    syncer.start()
    const events: string[] = []
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const first = syncer.dataSync(1, async () => {
      events.push('first begins')
      await held
      events.push('first ends')
    })
    const rest = [2, 3].map((descriptor) =>
      syncer
        .dataSync(descriptor, async () => void events.push(`${descriptor} goes the other way`))
        .then(() => void events.push(`${descriptor} is done`)),
    )
    // The thread is up by then, but what was asked for first is not done yet.
    await new Promise((resolve) => setTimeout(resolve, 300))
    expect(events).toEqual(['first begins'])
    release()
    await Promise.all([first, ...rest])
    const done = events.filter((event) => !event.includes('other way'))
    expect(done).toEqual(['first begins', 'first ends', '2 is done', '3 is done'])
    await threadIsUp(syncer)
    await syncer.dataSync(1, () => Promise.reject(new Error('the thread is up')))
    syncer.release()
  })

  test('is not started by syncs that have another way', async () => {
    const syncer = syncWorker({ workerUrl: supportUrl('no such file.mjs') })
    for (let i = 0; i < 20; i++) {
      await syncer.dataSync(1, () => new Promise((resolve) => setTimeout(resolve, 2)))
    }
    syncer.release()
  })

  test('a sync that fails is told of, and the next one goes on', async () => {
    const syncer = syncWorker({ workerUrl: fake })
    const failed = syncer.dataSync(1, () => Promise.reject(new Error('on purpose')))
    const next = syncer.dataSync(1, () => Promise.resolve())
    await expect(failed).rejects.toThrow('on purpose')
    await next
    syncer.release()
  })

  test('a request that has no other way waits for the thread, and those behind it too', async () => {
    const syncer = syncWorker({ workerUrl: fake })
    const order: number[] = []
    const other = (): Promise<void> => Promise.reject(new Error('out of turn'))
    await Promise.all([
      syncer.dataSync(1).then(() => order.push(1)),
      syncer.dataSync(2, other).then(() => order.push(2)),
    ])
    expect(order).toEqual([1, 2])
    syncer.release()
  })

  test('nothing goes the other way once a thread has died', async () => {
    const syncer = syncWorker({ workerUrl: fake })
    await threadIsUp(syncer)
    await expect(syncer.dataSync(1000)).rejects.toMatchObject({ code: 'SETT_WORKER_FAILED' })
    await syncer.dataSync(1, () => Promise.reject(new Error('out of turn')))
    syncer.release()
  })

  test('a thread that does not start fails the syncs behind the one under way', async () => {
    const url = supportUrl('broken-worker.mjs')
    const syncer = syncWorker({ workerUrl: url })
    syncer.start()
    let release = (): void => undefined
    const held = new Promise<void>((resolve) => {
      release = resolve
    })
    const first = syncer.dataSync(1, () => held)
    const second = syncer.dataSync(2, () => Promise.resolve())
    await expect(second).rejects.toMatchObject({ code: 'SETT_WORKER_FAILED' })
    release()
    await first
    await expect(syncer.dataSync(1, () => Promise.resolve())).rejects.toThrow('broken-worker.mjs')
    syncer.release()
  })
})
