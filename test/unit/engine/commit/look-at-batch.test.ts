// The one look at a batch before it is encoded: never below what the records take, or a batch would be written over
// the nodes of the tree.
import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type CommitOperation,
  commitBytes,
  lookAtBatch,
} from '../../../../src/engine/commit/commit-operations.ts'
import type { StorageEngine } from '../../../../src/engine/engine.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, start } from '../../../support/small-engine.ts'

const HELD = 64

const bytes = fc.uint8Array({ maxLength: 200 })
const text = fc.oneof(fc.string({ maxLength: 100 }), fc.string({ unit: 'grapheme', maxLength: 60 }))
const data = fc.oneof(bytes, text)
const operation: fc.Arbitrary<CommitOperation> = fc.oneof(
  fc.record({ type: fc.constant('put' as const), key: data, value: data }),
  fc.record({ type: fc.constant('del' as const), key: data }),
)
const batch = fc.array(operation, { minLength: 1, maxLength: 20 })

function lengthOf(data: string | Uint8Array): number {
  return Buffer.from(data as string).length
}

function isText({ key, value }: CommitOperation): boolean {
  return typeof key === 'string' || typeof value === 'string'
}

describe('the look at a batch', () => {
  it('tells no less than its records take, of bytes exactly that, and what is in it', () => {
    fc.assert(
      fc.property(batch, (operations) => {
        const look = lookAtBatch(operations, HELD)
        const exact = commitBytes(operations, undefined)
        expect(look.bytes).toBeGreaterThanOrEqual(exact)
        if (!operations.some(isText)) expect(look.bytes).toBe(exact)
        const puts = operations.filter(({ type }) => type === 'put')
        expect(look.puts).toBe(puts.length > 0)
        expect(look.large).toBe(puts.some(({ value }) => lengthOf(value!) > HELD))
      }),
    )
  })

  it('refuses a key that is too long, wherever it stands', async () => {
    const long = Buffer.alloc(65_536)
    const short = { type: 'put', key: 'k', value: 'v' } as const
    const look = async (): Promise<unknown> =>
      lookAtBatch([short, { type: 'del', key: long }], HELD)
    expect(await codeOf(look())).toBe('SETT_TOO_LARGE')
  })
})

const ROUNDS = 80

/** So that batches meet a memtable with room for all, for some and for none of their records. */
function operationsOf(round: number): { type: 'put'; key: Buffer; value: Buffer }[] {
  return Array.from({ length: 1 + ((round * 7) % 23) }, (_, i) => ({
    type: 'put',
    key: Buffer.from(`${(round * 7_919 + i * 104_729) % 5_003}`),
    value: Buffer.alloc((round * 37 + i * 101) % 700, `${round}`),
  }))
}

describe('batches', () => {
  it('of every length, in memtables that fill and rotate, are all there', async () => {
    const engine: StorageEngine = await start(new FaultFileSystem(), { durability: 'none' })
    const model = new Map<string, Buffer>()
    for (let round = 0; round < ROUNDS; round++) {
      const operations = operationsOf(round)
      await engine.batch(operations, {})
      for (const { key, value } of operations) model.set(key.toString(), value)
    }
    for (const [key, value] of model) {
      expect(engine.getSync(Buffer.from(key), undefined, 'buffer')).toEqual(value)
    }
    await engine.close()
  })
})
