// Directories for tests, removed when whoever asked for them ends.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, onTestFinished } from 'vitest'

/** For one test; call it inside the test. */
export function temporaryDirectory(): string {
  const path = makeDirectory()
  onTestFinished(() => removeDirectory(path))
  return path
}

/** For all tests of a file; call it outside of them. */
export function sharedTemporaryDirectory(): string {
  const path = makeDirectory()
  afterAll(() => removeDirectory(path))
  return path
}

function makeDirectory(): string {
  return realpathSync(mkdtempSync(join(tmpdir(), 'sett-')))
}

function removeDirectory(path: string): void {
  rmSync(path, { recursive: true, force: true })
}
