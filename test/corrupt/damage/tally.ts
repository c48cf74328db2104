// How often each kind of file gave each kind of answer.
import type { Answer } from './judge.ts'

const ANSWERS: readonly Answer[] = ['right', 'error', 'refused', 'cut']

export class Tally {
  readonly #counts = new Map<string, Record<Answer, number>>()
  /** What was answered wrongly, and to what. */
  readonly wrong: string[] = []

  get total(): number {
    return [...this.#counts.keys()].reduce((sum, kind) => sum + this.of(kind), 0)
  }

  count(kind: string, answer: Answer): void {
    const row = this.#counts.get(kind) ?? { right: 0, error: 0, refused: 0, cut: 0 }
    row[answer] += 1
    this.#counts.set(kind, row)
  }

  /** Harms of this kind. */
  of(kind: string, answers: readonly Answer[] = ANSWERS): number {
    const row = this.#counts.get(kind)
    return row === undefined ? 0 : answers.reduce((sum, answer) => sum + row[answer], 0)
  }

  lines(): string[] {
    const head = ['harmed', ...ANSWERS].map((text, i) =>
      i === 0 ? text.padEnd(34) : text.padStart(9),
    )
    const rows = [...this.#counts].map(([kind, row]) => {
      return kind.padEnd(34) + ANSWERS.map((answer) => String(row[answer]).padStart(9)).join('')
    })
    return [
      head.join(''),
      ...rows.sort(),
      `${this.total} in all, ${this.wrong.length} wrong answers`,
    ]
  }
}

export function fileKind(name: string): string {
  if (name === 'CURRENT' || name === 'CURRENT.tmp') return name
  if (name.startsWith('MANIFEST')) return 'MANIFEST'
  return { wal: 'log', sst: 'table', log: 'segment' }[name.slice(-3)] ?? 'other file'
}
