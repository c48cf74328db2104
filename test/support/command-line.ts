// Runs the `sett` command inside the test's process, with streams that remember.
import { Writable } from 'node:stream'
import { runCommand } from '../../src/adapters/cli/program.ts'

export interface CommandResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

class Memory extends Writable {
  readonly #parts: Buffer[] = []

  override _write(chunk: Buffer, _encoding: string, done: () => void): void {
    this.#parts.push(chunk)
    done()
  }

  get text(): string {
    return Buffer.concat(this.#parts).toString('utf8')
  }
}

export async function sett(...given: readonly string[]): Promise<CommandResult> {
  const stdout = new Memory()
  const stderr = new Memory()
  const code = await runCommand(given, { stdout, stderr }, '1.2.3')
  return { code, stdout: stdout.text, stderr: stderr.text }
}
