import { expect, test } from 'vitest'
import { systemClock } from '../../../src/base/clock.ts'
import type { JobReport } from '../../../src/jobs/job.ts'
import { RingWriter } from '../../../src/memory/byte-ring.ts'
import { JobSlot } from '../../../src/pool/job-slot.ts'
import { encodeReport, MESSAGE_MAX } from '../../../src/pool/report-codec.ts'

function progress(bytesRead: number): JobReport {
  return { kind: 'progress', bytesRead, bytesWritten: 0 }
}

/** Writes as the worker of one job would. */
function write(writer: RingWriter, job: number, ...reports: readonly JobReport[]): void {
  writer.resume()
  const scratch = Buffer.alloc(MESSAGE_MAX)
  for (const report of reports) writer.tryWrite(encodeReport(scratch, job, report))
  writer.publish()
}

const verified = { kind: 'verify', entries: 0, bytesRead: 0, problems: [] } as const

test('what a dead job left, before or after its end, is not the next one’s', () => {
  const slot = new JobSlot(0, systemClock)
  const writer = new RingWriter(slot.ring)
  const seen: JobReport[] = []
  const onReport = (report: JobReport): void => void seen.push(report)
  slot.begin(1, onReport)
  write(writer, 1, progress(1))
  slot.end()
  expect(seen).toEqual([progress(1)])
  write(writer, 1, progress(2))
  slot.begin(2, onReport)
  write(writer, 1, progress(3))
  write(writer, 2, progress(4))
  expect(slot.complete(verified, [])).toEqual(verified)
  expect(seen).toEqual([progress(1), progress(4)])
  slot.end()
  slot.close()
})

test('a callback that threw fails its job, not the next one', () => {
  const slot = new JobSlot(0, systemClock)
  const writer = new RingWriter(slot.ring)
  slot.begin(1, () => {
    throw new Error('from the callback')
  })
  write(writer, 1, progress(1), progress(2))
  expect(() => slot.complete(verified, [])).toThrow('from the callback')
  slot.end()
  slot.begin(2, undefined)
  write(writer, 2, progress(1))
  expect(slot.complete(verified, [])).toEqual(verified)
  slot.end()
  slot.close()
})

test('reports are passed on while the job runs', async () => {
  const slot = new JobSlot(0, systemClock)
  const writer = new RingWriter(slot.ring)
  const seen: JobReport[] = []
  slot.begin(1, (report) => void seen.push(report))
  for (let i = 1; i <= 3; i++) {
    write(writer, 1, progress(i))
    while (seen.length < i) await new Promise((resolve) => setImmediate(resolve))
  }
  expect(seen).toEqual([progress(1), progress(2), progress(3)])
  slot.end()
  slot.close()
})
