// What tests see of the file system that fails on demand is what the real one does: random traces on both, and on the
// one for databases in memory.
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import type { FileSystem } from '../../src/io/file-system.ts'
import { memoryFileSystem } from '../../src/io/memory-file-system.ts'
import { nodeFileSystem } from '../../src/io/node-file-system.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'
import { FaultFileSystem } from './fault-file-system.ts'
import { playTrace } from './random-traces.ts'

const SEED = Number(process.env['SETT_TRACE_SEED'] ?? Date.now() % 1_000_000)
const TRACES = 1_000
const CALLS = 40
/** Seconds where nothing else runs. */
const PATIENCE_MS = 300_000
const ERRORS = ['EBADF', 'EEXIST', 'EINVAL', 'EISDIR', 'ENOENT', 'ENOTDIR', 'ENOTEMPTY']

const root = scratchDirectory('traces')
afterAll(() => rmSync(root, { recursive: true, force: true }))

function inMemory(fs: FileSystem): FileSystem {
  fs.makeDirectorySync('/base')
  return fs
}

describe(`random traces (SETT_TRACE_SEED=${SEED})`, () => {
  it(
    `get ${TRACES} times the answers of the real file system, and leave the same files`,
    async () => {
      const errors = new Map<string, number>()
      for (let trace = 0; trace < TRACES; trace++) {
        const seed = SEED + trace
        const directory = join(root, String(trace))
        mkdirSync(directory)
        const real = await playTrace(nodeFileSystem, directory, seed, CALLS)
        for (const fs of [new FaultFileSystem(), memoryFileSystem()]) {
          const { answers, tree } = await playTrace(inMemory(fs), '/base', seed, CALLS)
          expect({ seed, answers, tree }).toEqual({ seed, answers: real.answers, tree: real.tree })
        }
        for (const [code, count] of real.errors) errors.set(code, (errors.get(code) ?? 0) + count)
        rmSync(directory, { recursive: true })
      }
      expect([...errors.keys()].sort()).toEqual(ERRORS)
    },
    PATIENCE_MS,
  )
})
