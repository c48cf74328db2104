// A repair that fails in a directory which is somebody else's by then removes nothing there.
import { readdirSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { resolveOptions } from '../../src/base/options.ts'
import { repairDirectory } from '../../src/engine/repair/repair.ts'
import { open } from '../../src/index.ts'
import type { FileSystem } from '../../src/io/file-system.ts'
import { nodeFileSystem } from '../../src/io/node-file-system.ts'
import { codeOf } from '../support/small-engine.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

it.each([
  ['is still ours', false, 0],
  ['is not ours any more', true, 1],
])('when the directory %s', async (_, lost, left) => {
  const location = temporaryDirectory()
  const database = await open(location, { workers: 0 })
  await database.put('key', 'value')
  await database.close()
  const fs: FileSystem = {
    ...nodeFileSystem,
    openSync(path, mode) {
      const file = nodeFileSystem.openSync(path, mode)
      if (mode !== 'create' || !path.endsWith('.sst')) return file
      file.closeSync()
      if (lost) {
        writeFileSync(join(location, 'another'), 'lock')
        renameSync(join(location, 'another'), join(location, 'LOCK'))
      }
      throw Object.assign(new Error('full'), { code: 'ENOSPC' })
    },
  }
  const repairing = repairDirectory(location, resolveOptions({ workers: 0 }), { fs })
  expect(await codeOf(repairing)).not.toBe('no error')
  expect(readdirSync(location).filter((name) => name.endsWith('.sst'))).toHaveLength(left)
})
