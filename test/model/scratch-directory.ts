// Where harnesses put databases whose files need not outlive anything: in memory where the system offers that, since
// waiting for a disk thousands of times proves nothing here. SETT_TEST_DIRECTORY says otherwise.
import { accessSync, constants, mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

const SHARED_MEMORY = '/dev/shm'

function writable(directory: string): boolean {
  try {
    accessSync(directory, constants.W_OK | constants.X_OK)
    return true
  } catch {
    return false
  }
}

/** A new directory; the caller removes it. */
export function scratchDirectory(name: string): string {
  const { SETT_TEST_DIRECTORY: given } = process.env
  const root = given ?? (writable(SHARED_MEMORY) ? SHARED_MEMORY : tmpdir())
  return mkdtempSync(join(root, `sett-${name}-`))
}
