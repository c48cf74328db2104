// Orders for test/support/fake-worker.mjs, dressed as job specs.
import type { VerifySpec } from '../../../src/jobs/job.ts'
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
