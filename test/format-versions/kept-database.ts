// The database of which one copy is kept per format version: tables in two levels, deletes that hide what lies
// deeper, and writes that are only in the log.
import type { Database } from 'sett'

/** Sizes small, so that few bytes make all kinds of files. */
export const KEPT_OPTIONS: {
  readonly workers: number
  readonly memtableSize: number
  readonly memoryBudget: number
  readonly blockSize: number
} = {
  workers: 0,
  memtableSize: 65_536,
  memoryBudget: 8 * 1024 * 1024,
  blockSize: 1_024,
}

const KEYS = 240

function keyOf(i: number): string {
  return `key ${String(i).padStart(4, '0')}`
}

function textOf(i: number, round: string): string {
  return `${round} ${i} ${'ä€😀-'.repeat(i % 7)}`
}

/** `commit` gets what makes up each commit; returns nothing, so that the same steps fill a model. */
type Commit = (puts: readonly (readonly [string, string])[], deletes: readonly string[]) => unknown

async function base(commit: Commit): Promise<void> {
  for (let i = 0; i < KEYS; i++) await commit([[keyOf(i), textOf(i, 'base')]], [])
}

async function flushed(commit: Commit): Promise<void> {
  for (let i = 0; i < KEYS; i += 5) await commit([], [keyOf(i)])
  for (let i = 1; i < KEYS; i += 8) await commit([[keyOf(i), textOf(i, 'flushed')]], [])
}

async function logged(commit: Commit): Promise<void> {
  for (let i = 0; i < KEYS; i += 9) {
    await commit([[keyOf(i), textOf(i, 'logged')]], [keyOf(i + 1), keyOf(i + 2)])
  }
  await commit([['', 'the empty key']], [keyOf(KEYS - 1)])
}

export async function fill(database: Database): Promise<void> {
  const commit: Commit = (puts, deletes) =>
    database.batch([
      ...puts.map(([key, value]) => ({ type: 'put' as const, key, value })),
      ...deletes.map((key) => ({ type: 'del' as const, key })),
    ])
  await base(commit)
  await database.compactRange()
  await flushed(commit)
  await database.flush()
  await logged(commit)
}

/** What it then holds, in order: one JSON array of key and value per line. */
export async function expectedContent(): Promise<string> {
  const model = new Map<string, string>()
  const commit: Commit = (puts, deletes) => {
    for (const key of deletes) model.delete(key)
    for (const [key, value] of puts) model.set(key, value)
  }
  for (const step of [base, flushed, logged]) await step(commit)
  const entries = [...model].sort(([a], [b]) => (a < b ? -1 : 1))
  return `${entries.map((entry) => JSON.stringify(entry)).join('\n')}\n`
}
