// The lines above a printed record that tell what was measured, when and where.
import { describeMachine } from './machine.ts'
import type { RunRecord } from './record.ts'

export function runHeader({ settVersion, commit, date, runs, machine }: RunRecord): string {
  const source = commit === '' ? '' : ` (${commit})`
  const when = date.slice(0, 16).replace('T', ' ')
  const times = runs === 1 ? '1 run' : `${runs} runs`
  return `sett ${settVersion}${source}, ${when}, ${times}\n${describeMachine(machine)}`
}
