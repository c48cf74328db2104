#!/usr/bin/env node
// The `sett` command: streams, exit code, nothing else.
import { readFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { runCommand } from './program.ts'
import { codeOf, EXIT } from './terminal.ts'

/** The package's own version, wherever this file was installed. */
function packageVersion(): string {
  const path = createRequire(import.meta.url).resolve('sett/package.json')
  const found: unknown = JSON.parse(readFileSync(path, 'utf8'))
  const named = typeof found === 'object' && found !== null && 'version' in found
  return named ? String(found.version) : 'unknown'
}

// A reader that stops early, such as `head`, ends the command quietly.
process.stdout.on('error', (error) => {
  process.exit(codeOf(error) === 'EPIPE' ? EXIT.ok : EXIT.error)
})

runCommand(process.argv.slice(2), process, packageVersion()).then((code) => {
  process.exitCode = code
})
