import { afterEach, describe, expect, it, vi } from 'vitest'
import { StorageEngine } from '../../src/engine/engine.ts'
import { open, SettError } from '../../src/index.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

afterEach(() => void vi.restoreAllMocks())

async function refusal(work: Promise<unknown>): Promise<SettError> {
  const error: unknown = await work.then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(SettError)
  return error as SettError
}

/** Closing waits until it is let go. */
function holdClosing(): () => void {
  const close = StorageEngine.prototype.close
  let go: (() => void) | undefined
  const gate = new Promise<void>((resolve) => {
    go = resolve
  })
  vi.spyOn(StorageEngine.prototype, 'close').mockImplementation(async function (
    this: StorageEngine,
  ) {
    await gate
    await close.call(this)
  })
  vi.spyOn(StorageEngine.prototype, 'underWay').mockReturnValue(['a flush', 'a sync of x for 9 ms'])
  return () => go?.()
}

describe('close with a timeout', () => {
  it('tells what it waits for, and goes on', async () => {
    const db = await open(temporaryDirectory(), { workers: 0 })
    await db.put('a', '1')
    const letGo = holdClosing()
    const error = await refusal(db.close({ timeout: 20 }))
    expect(error.code).toBe('SETT_BUSY')
    expect(error.message).toContain('after 20 ms. It waits for a flush, a sync of x for 9 ms.')
    expect(db.status).toBe('closing')
    const again = db.close()
    letGo()
    await again
    expect(db.status).toBe('closed')
    await db.open()
    expect(await db.get('a')).toBe('1')
    await db.close({ timeout: 30_000 })
  })

  it('a failure that nobody waits for any more harms no one', async () => {
    const db = await open(temporaryDirectory(), { workers: 0 })
    const { close } = StorageEngine.prototype
    vi.spyOn(StorageEngine.prototype, 'close').mockImplementation(async function (
      this: StorageEngine,
    ) {
      await new Promise((resolve) => setTimeout(resolve, 30))
      await close.call(this)
      throw new SettError('SETT_POISONED', 'It failed. Look why.')
    })
    expect((await refusal(db.close({ timeout: 1 }))).code).toBe('SETT_BUSY')
    await new Promise((resolve) => setTimeout(resolve, 60))
    await db.close()
    expect(db.status).toBe('closed')
  })

  it.each([-1, 1.5, '5', 2 ** 31, null])('refuses %j', async (timeout) => {
    const db = await open(temporaryDirectory(), { workers: 0 })
    const error = await refusal(db.close({ timeout } as object))
    expect(error.code).toBe('SETT_INVALID_OPTION')
    expect(db.status).toBe('open')
    await db.close()
  })
})

describe('what is under way', () => {
  it('names nothing when there is nothing, and a commit that waits for its turn', async () => {
    const said: (readonly string[])[] = []
    const { close } = StorageEngine.prototype
    vi.spyOn(StorageEngine.prototype, 'close').mockImplementation(async function (
      this: StorageEngine,
    ) {
      said.push(this.underWay())
      await close.call(this)
      said.push(this.underWay())
    })
    const db = await open(temporaryDirectory(), { workers: 0 })
    const put = db.put('a', '1')
    await db.close()
    await put
    expect(said).toEqual([['commits that are not on disk yet'], []])
  })
})
