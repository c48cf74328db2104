// Random traces: the memory file system must answer every call as the real one does, error codes included.
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import type { FileSystem, OpenFile } from '../../../src/io/file-system.ts'
import { memoryFileSystem } from '../../../src/io/memory-file-system.ts'
import { nodeFileSystem } from '../../../src/io/node-file-system.ts'
import { temporaryDirectory } from '../../support/temp-directory.ts'

const SEED = 20_260_101
const RUNS = 400

const path = fc.constantFrom('a', 'b', 'd', 'd/a', 'd/e', 'd/e/f', 'a/x', 'g/h')
const slot = fc.nat({ max: 3 })
const position = fc.nat({ max: 9_000 })

const step = fc.oneof(
  fc.record({ do: fc.constant('open' as const), path, slot, create: fc.boolean() }),
  fc.record({ do: fc.constant('write' as const), slot, position, length: fc.nat({ max: 6_000 }) }),
  fc.record({ do: fc.constant('read' as const), slot, position, length: fc.nat({ max: 6_000 }) }),
  fc.record({ do: fc.constant('truncate' as const), slot, length: fc.nat({ max: 12_000 }) }),
  fc.record({ do: fc.constant('size' as const), slot }),
  fc.record({ do: fc.constant('close' as const), slot }),
  fc.record({ do: fc.constant('mkdir' as const), path }),
  fc.record({ do: fc.constant('rename' as const), path, to: path }),
  fc.record({ do: fc.constant('remove' as const), path }),
  fc.record({ do: fc.constant('stat' as const), path }),
  fc.record({ do: fc.constant('list' as const), path }),
  fc.record({ do: fc.constant('syncDirectory' as const), path }),
)
type Step = typeof step extends fc.Arbitrary<infer T> ? T : never

class Player {
  readonly #fs: FileSystem
  readonly #root: string
  readonly #files: (OpenFile | undefined)[] = []

  constructor(fs: FileSystem, root: string) {
    this.#fs = fs
    this.#root = root
    fs.makeDirectorySync(root)
  }

  play(step: Step): unknown {
    try {
      return this.#answer(step)
    } catch (error) {
      return `threw ${(error as { code?: unknown }).code}`
    }
  }

  closeAll(): void {
    for (const file of this.#files) file?.closeSync()
  }

  #answer(step: Step): unknown {
    const at = (relative: string): string => join(this.#root, relative)
    switch (step.do) {
      case 'open': {
        const file = this.#fs.openSync(at(step.path), step.create ? 'create' : 'read')
        this.#files[step.slot]?.closeSync()
        this.#files[step.slot] = file
        return 'opened'
      }
      case 'write':
        return this.#files[step.slot]?.writeSync(
          Buffer.alloc(step.length, step.length + 1),
          step.position,
        )
      case 'read': {
        const target = Buffer.alloc(step.length, 0xee)
        const count = this.#files[step.slot]?.readSync(target, step.position)
        return [count, target.toString('hex')]
      }
      case 'truncate':
        return this.#files[step.slot]?.truncateSync(step.length)
      case 'size':
        return this.#files[step.slot]?.sizeSync()
      case 'close':
        return this.#files[step.slot]?.closeSync()
      case 'mkdir':
        return this.#fs.makeDirectorySync(at(step.path))
      case 'rename':
        return this.#fs.renameSync(at(step.path), at(step.to))
      case 'remove':
        return this.#fs.removeSync(at(step.path))
      case 'stat': {
        const found = this.#fs.statSync(at(step.path))
        return found?.kind === 'file' ? found : found?.kind
      }
      case 'list':
        return this.#fs.listSync(at(step.path)).sort()
      case 'syncDirectory':
        return this.#fs.syncDirectorySync(at(step.path))
    }
  }
}

test(`${RUNS} random traces give the same answers on both file systems`, () => {
  const base = temporaryDirectory()
  let run = 0
  fc.assert(
    fc.property(fc.array(step, { minLength: 20, maxLength: 60 }), (steps) => {
      const real = new Player(nodeFileSystem, join(base, String(run++)))
      const memory = new Player(memoryFileSystem(), '/memory')
      try {
        for (const step of steps) expect(memory.play(step), step.do).toEqual(real.play(step))
      } finally {
        real.closeAll()
      }
    }),
    { seed: SEED, numRuns: RUNS },
  )
})
