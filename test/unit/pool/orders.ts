// Orders for test/support/fake-worker.mjs, dressed as job specs.
import type { FlushSpec, VerifySpec } from '../../../src/jobs/job.ts'
import { supportUrl } from '../../support/built.ts'

export const fakeWorkerUrl: string = supportUrl('fake-worker.mjs')

export function order(what: string, details: object = {}): VerifySpec {
  return {
    kind: 'verify',
    directory: JSON.stringify({ do: what, ...details }),
    tables: [],
    workspace: { address: 4096, length: 64 },
  }
}

/** As above, for orders whose results are tables. */
export function flushOrder(what: string, details: object = {}): FlushSpec {
  const { directory, workspace } = order(what, details)
  const filter = { bitsPerKey: 10, k: 6 }
  return {
    kind: 'flush',
    directory,
    workspace,
    arena: 4096,
    shape: { blockSize: 4096, tableSize: 65_536, filter, compression: 'lz4' },
    numbers: { first: 1, count: 20 },
    newestWal: 1,
    snapshots: [1],
  }
}
