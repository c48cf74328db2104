// A job whose worker died: what it left goes, the next try takes other numbers, and its memory is nobody else's
// before it has ended.
import { basename } from 'node:path'
import { describe, expect, it, test } from 'vitest'
import { SettError } from '../../../src/base/errors.ts'
import { silentLogger } from '../../../src/base/logger.ts'
import { FileNumbering } from '../../../src/engine/file-numbering.ts'
import { type JobRequest, JobRunner } from '../../../src/engine/job-runner.ts'
import { ObsoleteFiles } from '../../../src/engine/obsolete-files.ts'
import { segmentPath, tablePath } from '../../../src/io/file-names.ts'
import type {
  FlushSpec,
  JobReport,
  JobResult,
  JobSpec,
  OutputFile,
  TablesResult,
} from '../../../src/jobs/job.ts'
import { HeapAllocator } from '../../../src/memory/heap-allocator.ts'
import { HeapPool } from '../../../src/memory/heap-pool.ts'
import { createCancelFlag } from '../../../src/pool/cancel-flag.ts'
import type { Executor, JobTicket } from '../../../src/pool/executor.ts'
import { FaultFileSystem } from '../../faults/fault-file-system.ts'
import { codeOf, ends } from '../../support/small-engine.ts'

const DONE: TablesResult = {
  kind: 'tables',
  tables: [],
  segments: [],
  entriesIn: 0,
  entriesOut: 0,
  entriesDropped: 0,
  droppedVersion: 0,
  bytesRead: 0,
  bytesWritten: 0,
}

const died = (): SettError => new SettError('SETT_WORKER_FAILED', 'the worker is gone')

type Report = (report: JobReport) => void

function executorOf(perform: (spec: JobSpec, report: Report) => Promise<JobResult>): Executor {
  return {
    workers: 1,
    idle: 0,
    run: <T extends JobResult>(spec: JobSpec, { onReport }: JobTicket) =>
      perform(spec, (report) => onReport?.(report)) as Promise<T>,
    warmUp: () => undefined,
    stats: () => [],
    close: async () => undefined,
  }
}

class Rig {
  owned = true
  readonly fs = new FaultFileSystem()
  readonly heap = new HeapPool().acquire(1024 * 1024)
  readonly allocator = new HeapAllocator(this.heap)
  readonly obsolete = new ObsoleteFiles(this.fs, '/db', silentLogger, () => this.owned)
  readonly numbering = new FileNumbering(10)

  constructor() {
    this.fs.makeDirectorySync('/db')
  }

  run(perform: (spec: FlushSpec, report: Report) => Promise<JobResult>): Promise<TablesResult> {
    const { heap, allocator, obsolete, numbering } = this
    const executor = executorOf((spec, report) => perform(spec as FlushSpec, report))
    const filter = { k: 7, bitsPerKey: 10 }
    const shape = { blockSize: 512, tableSize: 16_384, filter, compression: 'lz4' } as const
    const request: JobRequest = {
      priority: 0,
      workspaceBytes: 65_536,
      cancel: createCancelFlag(),
      spec: (workspace): FlushSpec => ({
        kind: 'flush',
        directory: '/db',
        arena: 0,
        shape,
        numbers: { first: numbering.takeRange(3), count: 3 },
        workspace,
        newestWal: 1,
        snapshots: [1],
      }),
    }
    return new JobRunner({ executor, heap, allocator, obsolete }).run<TablesResult>(request)
  }

  /** What a worker does before it dies. */
  write({ numbers }: FlushSpec, report: Report): void {
    this.create({ file: 'sst', number: numbers.first }, report)
  }

  /** Without `report`: a file that no job made. */
  create(output: OutputFile, report?: Report): void {
    report?.({ kind: 'output', ...output })
    this.fs.openSync(pathOf(output), 'create').closeSync()
  }

  get files(): string[] {
    return this.fs.listSync('/db').sort()
  }
}

function pathOf({ file, number }: OutputFile): string {
  return file === 'sst' ? tablePath('/db', number) : segmentPath('/db', number)
}

it('is tried again with other numbers, and its files go', async () => {
  const rig = new Rig()
  const firsts: number[] = []
  const result = await rig.run(async (spec, report) => {
    firsts.push(spec.numbers.first)
    rig.write(spec, report)
    if (firsts.length < 3) throw died()
    return DONE
  })
  await rig.obsolete.settled()
  expect(result).toBe(DONE)
  expect(firsts).toEqual([10, 13, 16])
  expect(rig.fs.listSync('/db')).toEqual([basename(tablePath('/db', 16))])
})

it('fails before what it wrote is gone: nothing else may begin meanwhile', async () => {
  const rig = new Rig()
  const never = new Promise<void>(() => undefined)
  rig.fs.inject({ on: 'remove', path: /\.sst$/, until: never })
  const failing = rig.run(async (spec, report) => {
    rig.write(spec, report)
    throw new SettError('LEVEL_IO_ERROR', 'the disk is gone')
  })
  expect(await ends(codeOf(failing))).toBe('LEVEL_IO_ERROR')
})

it('fails when its worker dies for the third time, and at once for another reason', async () => {
  for (const [error, tries] of [
    [died(), 3],
    [new SettError('LEVEL_CORRUPTION', 'damaged'), 1],
  ] as const) {
    const rig = new Rig()
    let tried = 0
    const outcome = rig.run(() => {
      tried += 1
      return Promise.reject(error)
    })
    expect(await codeOf(outcome)).toBe(error.code)
    expect(tried).toBe(tries)
    expect(rig.allocator.usedBytes).toBe(0)
  }
})

it.each([
  ['refused by the disk', 'ENOSPC', true, 0],
  ['cancelled', 'SETT_BUSY', true, 0],
  ['and the directory is somebody else’s by now', 'SETT_BUSY', false, 1],
])('that failed, %s: what has the names of its outputs', async (_, code, owned, left) => {
  const rig = new Rig()
  const failure = Object.assign(new Error('it failed'), { code })
  const outcome = rig.run((spec, report) => {
    rig.write(spec, report)
    rig.owned = owned
    return Promise.reject(failure)
  })
  expect(await codeOf(outcome)).toBe(code)
  await rig.obsolete.settled()
  expect(rig.fs.listSync('/db')).toHaveLength(left)
})

describe('that failed removes what it created itself, and never a file that was there before', () => {
  const others: readonly OutputFile[] = [
    { file: 'vlog', number: 10 },
    { file: 'sst', number: 11 },
    { file: 'sst', number: 12 },
  ]

  const found = others.map((output) => basename(pathOf(output))).sort()

  test.each(['EEXIST', 'ENOSPC', 'SETT_WORKER_FAILED'])('%s', async (code) => {
    const rig = new Rig()
    for (const output of others) rig.create(output)
    let tries = 0
    const outcome = rig.run(async (_spec, report) => {
      if (tries++ > 0) return DONE
      rig.create({ file: 'sst', number: 10 }, report)
      rig.create({ file: 'vlog', number: 11 }, report)
      if (code === 'EEXIST') rig.create({ file: 'sst', number: 12 }, report)
      throw Object.assign(new Error('it failed'), { code })
    })
    expect(await codeOf(outcome)).toBe(code === 'SETT_WORKER_FAILED' ? 'no error' : code)
    await rig.obsolete.settled()
    expect(rig.files).toEqual(found)
  })

  test('also when the job tells of numbers that are not its own', async () => {
    const rig = new Rig()
    for (const number of [9, 19]) rig.create({ file: 'sst', number })
    const before = rig.files
    const outcome = rig.run(async (_spec, report) => {
      for (const number of [9, 19]) report({ kind: 'output', file: 'sst', number })
      throw died()
    })
    expect(await codeOf(outcome)).toBe('SETT_WORKER_FAILED')
    await rig.obsolete.settled()
    expect(rig.files).toEqual(before)
  })
})

it('keeps its memory until it has ended', async () => {
  const rig = new Rig()
  let end = (): void => undefined
  const running = rig.run(
    () =>
      new Promise((resolve) => {
        end = () => resolve(DONE)
      }),
  )
  await new Promise((resolve) => setImmediate(resolve))
  expect(rig.allocator.usedBytes).toBeGreaterThanOrEqual(65_536)
  end()
  await running
  expect(rig.allocator.usedBytes).toBe(0)
})
