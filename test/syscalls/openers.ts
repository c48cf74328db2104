// Opens directories one after the other, to write and to read only: `<user id> <directory>…`. Prints a line of JSON for
// each: what came of it. Whoever is root becomes that user first, since root may do everything.
import { readdirSync } from 'node:fs'
import { open } from '../../src/api/open.ts'
import { OPTIONS } from './workload.ts'

const [, , user = '', ...directories] = process.argv
if (process.getuid?.() === 0 && user !== '0') {
  process.setgroups?.([])
  process.setgid?.(Number(user))
  process.setuid?.(Number(user))
}

const { memtableSize, memoryBudget, blockSize, tableSize } = OPTIONS
const SMALL = { workers: 0, memtableSize, memoryBudget, blockSize, tableSize }

/** Code of the error and of what lies beneath, or how many entries could be read. */
async function outcome(directory: string, readOnly: boolean): Promise<string> {
  try {
    const database = await open(directory, { ...SMALL, readOnly })
    try {
      return `${(await database.keys().all()).length} entries`
    } finally {
      await database.close()
    }
  } catch (error) {
    const codes: string[] = []
    for (let at: unknown = error; at instanceof Error; at = at.cause) {
      if ('code' in at) codes.push(String(at.code))
    }
    return codes.join(' ')
  }
}

let before: number | undefined
for (const directory of directories) {
  const write = await outcome(directory, false)
  const read = await outcome(directory, true)
  console.log(JSON.stringify({ directory, write, read }))
  // What Node opens once and keeps is open after the first.
  before ??= readdirSync('/proc/self/fd').length
}
const left = readdirSync('/proc/self/fd').length - (before ?? 0)
if (left !== 0) console.error(`${left} descriptors were left open`)
