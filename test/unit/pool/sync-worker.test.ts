import { closeSync, mkdtempSync, openSync, rmSync, writeSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, describe, expect, test } from 'vitest'
import { drainSyncWorker, syncWorker } from '../../../src/pool/sync-worker.ts'
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
