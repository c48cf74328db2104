// Reading values in segments without blocking: what is held meanwhile, and when the thread waits for the disk again.
import { expect, it } from 'vitest'
import { type Clock, systemClock } from '../../../../src/base/clock.ts'
import { resolveOptions } from '../../../../src/base/options.ts'
import { openEngine } from '../../../../src/engine/open.ts'
import { SeparatedValues } from '../../../../src/engine/value-log/separated-values.ts'
import type { FileSystem, OpenFile } from '../../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../../src/io/memory-file-system.ts'
import { FaultFileSystem } from '../../../faults/fault-file-system.ts'
import { codeOf, small, start } from '../../../support/small-engine.ts'
import { wrappedFile } from '../../../support/wrapped-file.ts'
import { SegmentsOnDisk } from '../../value-log/segments-on-disk.ts'

const MIB = 1024 * 1024
const WHOLE = { start: 0, end: Number.POSITIVE_INFINITY }

function valuesOf(disk: SegmentsOnDisk): SeparatedValues {
  const { allocator, segments, machine } = disk
  const noteReadMs = (): void => undefined
  return new SeparatedValues({ ...machine, allocator, segments, clock: systemClock, noteReadMs })
}

it('a pointer behind the values of its segment is damage, and holds nothing', async () => {
  const disk = new SegmentsOnDisk()
  const values = valuesOf(disk)
  const [wanted] = disk.write([{ key: Buffer.from('k'), value: Buffer.alloc(500, 1) }])
  const behind = { ...wanted!, offset: wanted!.offset + 8 }
  const opening = Promise.resolve().then(() => values.open(behind, WHOLE))
  expect(await codeOf(opening)).toBe('LEVEL_CORRUPTION')
  disk.segments.closeAll()
  const source = values.open(wanted!, WHOLE)
  expect((await source.next())!.equals(Buffer.alloc(500, 1))).toBe(true)
  source.close()
  disk.segments.closeAll()
  expect(disk.open.size).toBe(0)
})

it('a source closed while it passes parts reads no more of them', async () => {
  const disk = new SegmentsOnDisk()
  const values = valuesOf(disk)
  const [wanted] = disk.write([{ key: Buffer.from('k'), value: Buffer.alloc(4 * MIB, 1) }])
  const source = values.open(wanted!, { start: 3 * MIB, end: 4 * MIB })
  disk.reads.length = 0
  const next = codeOf(source.next())
  source.close()
  expect(await next).toBe('LEVEL_DATABASE_NOT_OPEN')
  expect(disk.reads).toHaveLength(1)
  disk.segments.closeAll()
})

it.each(['EACCES', 'EMFILE'])(
  'any read tells that its segment could not be opened: %s',
  async (errno) => {
    const fs = new FaultFileSystem()
    const options = { valueThreshold: 64 }
    const first = await start(fs, options)
    await first.put('k', 'v'.repeat(500), {})
    await first.flush()
    await first.close()
    const engine = await start(fs, options)
    const reads: (() => unknown)[] = [
      () => engine.get('k', undefined, 'utf8'),
      () => engine.openValue('k', undefined, WHOLE),
    ]
    for (const read of reads) {
      fs.inject({ on: 'open', path: /\.vlog$/, errno, forever: true })
      const error: unknown = await Promise.resolve()
        .then(read)
        .catch((reason: unknown) => reason)
      expect(error).toMatchObject({ code: 'LEVEL_IO_ERROR', cause: { code: errno } })
      fs.heal()
    }
    expect(await engine.get('k', undefined, 'utf8')).toBe('v'.repeat(500))
    await engine.close()
  },
)

/** By its clock reads of segments take what the test says, and all else next to nothing. */
class TimedDisk {
  readonly clock: Clock = {
    ...systemClock,
    monotonicMs: () => this.#now + systemClock.monotonicMs() / 1000,
  }
  syncMs = 0
  asyncMs = 0
  #now = 0

  over(inner: FileSystem): FileSystem {
    return { ...inner, openSync: (path, mode) => this.#timed(inner.openSync(path, mode), path) }
  }

  #timed(file: OpenFile, path: string): OpenFile {
    if (!path.endsWith('.vlog')) return file
    return wrappedFile(file, {
      readSync: (target, position) => {
        this.#now += this.syncMs
        return file.readSync(target, position)
      },
      read: async (target, position) => {
        this.#now += this.asyncMs
        return file.readSync(target, position)
      },
    })
  }
}

it('values are read on the thread again once the disk is quick, whatever reads wait for beside others', async () => {
  const disk = new TimedDisk()
  const fs = disk.over(memoryFileSystem())
  const options = resolveOptions({ ...small, valueThreshold: 64 })
  const engine = await openEngine('/db', options, { fs, clock: disk.clock })
  const value = 'v'.repeat(500)
  await engine.put('k', value, {})
  await engine.flush()
  const read = async (): Promise<boolean> => {
    const answers = Array.from({ length: 8 }, () => engine.get('k', undefined, 'utf8'))
    for (const answer of answers) expect(await answer).toBe(value)
    return answers.every((answer) => answer instanceof Promise)
  }
  const readOften = async (): Promise<number> => {
    let waited = 0
    for (let i = 0; i < 200; i++) if (await read()) waited += 1
    return waited
  }
  Object.assign(disk, { syncMs: 5, asyncMs: 5 })
  // But for the probes.
  expect(await readOften()).toBeGreaterThan(80)
  Object.assign(disk, { syncMs: 0.01 })
  await readOften()
  expect(await readOften()).toBe(0)
  await engine.close()
})
