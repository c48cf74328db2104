import { describe, expect, it } from 'vitest'
import type { Prepared, Side } from '../../../bench/micro/case.ts'
import { measure } from '../../../bench/micro/measure.ts'

const TIME_MS = 1

/** Filling it takes longer than the clock's smallest step. */
const WORK = Buffer.alloc(256 * 1024)

/** Answers `of(n)` after its n-th run. */
function side(of: (runs: number) => unknown): Side {
  let runs = 0
  const run = (): void => {
    runs++
    WORK.fill(runs & 0xff)
  }
  return { run, answer: () => of(runs) }
}

const timed = (prepared: Prepared) =>
  measure('area', { name: 'case', prepare: () => prepared }, TIME_MS)

/** The message of the error and that of its cause. */
async function failure(prepared: Prepared): Promise<string> {
  const error: unknown = await timed(prepared).catch((reason: unknown) => reason)
  return error instanceof Error && error.cause instanceof Error
    ? `${error.message}: ${error.cause.message}`
    : 'none'
}

describe('measure', () => {
  it('gives both sides a time per operation', async () => {
    const same = () => Buffer.from('same'.repeat(2_000))
    const one = await timed({ operations: 10, ours: side(same), twin: side(same) })
    const tenth = await timed({ operations: 100, ours: side(same), expected: same() })
    expect(one.ours.nanoseconds).toBeGreaterThan(0)
    expect(one.twin?.nanoseconds).toBeGreaterThan(0)
    expect(tenth.twin).toBeUndefined()
  })

  it('refuses a wrong answer, naming the case', async () => {
    const wrong = { operations: 1, ours: side(() => [1, 2]) }
    expect(await failure({ ...wrong, twin: side(() => [1, 3]) })).toBe(
      'area/case was not timed: the answer differs from that of its twin; a wrong result has no speed',
    )
    expect(await failure({ ...wrong, expected: [1] })).toContain('differs from what is right')
  })

  it('refuses work that answers otherwise the second time, or while it is timed', async () => {
    const expected = 1
    expect(await failure({ operations: 1, ours: side((runs) => runs), expected })).toContain(
      'a second run answers otherwise',
    )
    expect(
      await failure({ operations: 1, ours: side((runs) => (runs > 9 ? 2 : 1)), expected }),
    ).toContain('the answer changed while it was timed')
  })

  it('closes what was prepared, also after a failure', async () => {
    let closed = 0
    const close = async (): Promise<void> => void closed++
    await timed({ operations: 1, ours: side(() => 1), expected: 1, close })
    await failure({ operations: 1, ours: side(() => 1), expected: 2, close })
    expect(closed).toBe(2)
  })
})
