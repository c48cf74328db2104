// One directory that processes live in under faults, and what is known of it from their reports. After each process the
// directory is opened without faults, in the process of the test, and compared with what was acked.
import { rmSync } from 'node:fs'
import { join } from 'node:path'
import type { StorageEngine } from '../../src/engine/engine.ts'
import { openEngine } from '../../src/engine/open.ts'
import { scratchDirectory } from '../model/scratch-directory.ts'
import { NOT_STORED, Oracle, type Outcome } from './commits.ts'
import { OPTIONS } from './workload.ts'

export class Trial {
  readonly root: string = scratchDirectory('syscalls')
  readonly directory: string = join(this.root, 'db')
  readonly failures: string[] = []
  /** Errors the database answered with, by code. */
  readonly codes: Map<string, number> = new Map()
  readonly #oracle = new Oracle()
  /** Number of the next commit. */
  next = 1

  get commits(): number {
    return this.#oracle.commits
  }

  get acked(): number {
    return this.#oracle.acked
  }

  fail(title: string, what: string): void {
    this.failures.push(`${title}: ${what}`)
  }

  /** Takes in what a process told (faulty-lives.ts), then reads what it left. */
  async check(title: string, stdout: string): Promise<void> {
    this.#listen(title, stdout)
    const opening = openEngine(this.directory, OPTIONS)
    const engine = await opening.catch((error: unknown) => {
      this.fail(title, `it does not open: ${error}`)
      return undefined
    })
    if (engine === undefined) return
    for (const wrong of this.#oracle.judge(contentOf(engine))) this.fail(title, wrong)
    const { problems } = await engine.verify({})
    for (const { file, found } of problems) this.fail(title, `verify: ${file}: ${found}`)
    await engine.close()
  }

  /** What is left is kept for whoever looks into a failure. */
  end(): void {
    if (this.failures.length === 0) rmSync(this.root, { recursive: true })
    else this.failures.push(`kept: ${this.root}`)
  }

  #listen(title: string, stdout: string): void {
    const announced: number[] = []
    const outcomes = new Map<number, Outcome>()
    // A killed process may have been in the middle of a line.
    for (const line of stdout.split('\n').slice(0, -1)) {
      const [what, place = '', code = ''] = line.split(' ')
      const number = Number(place)
      if (what === 'w') announced.push(number)
      else if (what === 'a') outcomes.set(number, 'acked')
      else if (what === 'e') outcomes.set(number, NOT_STORED.has(code) ? 'refused' : 'unknown')
      else if (what === 'bad') this.fail(title, line)
      if (what === 'e' || what === 'x') this.codes.set(code, (this.codes.get(code) ?? 0) + 1)
      if (code.startsWith('untyped')) this.fail(title, line)
    }
    for (const number of announced) this.#oracle.add(number, outcomes.get(number) ?? 'unknown')
    this.next = (announced.at(-1) ?? this.next - 1) + 1
  }
}

function contentOf(engine: StorageEngine): Map<string, string> {
  const { version } = engine
  const form = { keyForm: 'utf8', valueForm: 'utf8' } as const
  const reader = engine.range({ keys: true, values: true, ...form, version })
  const content = new Map<string, string>()
  for (let page = reader.next(64); page.length > 0; page = reader.next(64)) {
    for (const [key, value] of page) content.set(String(key), String(value))
  }
  return content
}
