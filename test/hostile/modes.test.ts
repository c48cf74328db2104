// Whoever runs with whatever umask: files of a database are for their owner alone, all of them, at every moment one can
// look.
import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { builtUrl } from '../support/built.ts'
import { temporaryDirectory } from '../support/temp-directory.ts'

const INDEX = new URL('src/index.js', builtUrl).href

/** Does everything that makes files, and prints the mode of each file and directory it comes across. */
function script(directory: string, umask: number, workers: number): string {
  return `
    import { lstatSync, readdirSync, rmSync, watch } from 'node:fs'
    import { open, repair } from ${JSON.stringify(INDEX)}
    process.umask(${umask})
    const directory = ${JSON.stringify(directory)}
    const seen = new Set()
    const look = () => {
      for (const name of ['', ...readdirSync(directory, { recursive: true })]) {
        const found = lstatSync(directory + '/' + name, { throwIfNoEntry: false })
        if (found === undefined) continue
        const kind = found.isDirectory() ? 'directory ' : ''
        seen.add(kind + name.replace(/\\d+/g, 'N') + ' ' + (found.mode & 0o7777).toString(8))
      }
    }
    const sizes = { memtableSize: 65536, memoryBudget: 8388608, tableSize: 16384 }
    const options = { workers: ${workers}, ...sizes }
    const database = await open(directory, options)
    const watcher = watch(directory, look)
    look()
    for (let i = 0; i < 300; i++) await database.put('key ' + i % 50, 'v'.repeat(i * 7), { durability: 'none' })
    await database.put('large', 'L'.repeat(30_000))
    await database.flush()
    await database.compactRange()
    await database.put('in the log', '1')
    await database.verify()
    look()
    await database.close()
    look()
    rmSync(directory + '/CURRENT')
    await repair(directory, { workers: 0 })
    look()
    await (await open(directory, options)).close()
    look()
    watcher.close()
    console.log(JSON.stringify([...seen].sort()))`
}

const EXPECTED = [
  'CURRENT 600',
  'LOCK 600',
  'MANIFEST-N 600',
  'N.sst 600',
  'N.wal 600',
  'directory  700',
  'directory lost+found-N 700',
  'lost+found-N/MANIFEST-N 600',
]

describe.runIf(process.platform !== 'win32')('modes of files', () => {
  it.each([
    [0o000, 2],
    [0o000, 0],
    [0o777, 0],
    [0o027, 0],
  ])('umask %i, %i workers', (umask, workers) => {
    const directory = join(temporaryDirectory(), 'above', 'db')
    const program = join(temporaryDirectory(), 'program.mjs')
    writeFileSync(program, script(directory, umask, workers))
    const child = spawnSync(process.execPath, [program], { encoding: 'utf8' })
    expect(child.stderr).toBe('')
    const seen = JSON.parse(child.stdout) as string[]
    expect(seen.filter((line) => !/^directory .* 700$|^(?!directory).* 600$/.test(line))).toEqual(
      [],
    )
    for (const line of EXPECTED) expect(seen).toContain(line)
  })
})
