// The parts of `npm run test:trust` and `npm run test:long`: scripts of package.json and the sizes they are run at.

export interface Part {
  /** A script of package.json. */
  readonly script: string
  readonly args: readonly string[]
}

/** Twenty minutes of two cores at most. */
export const TRUST: readonly Part[] = [
  { script: 'test:crash', args: ['--states', '20000'] },
  { script: 'test:kill', args: ['--cycles', '200'] },
  { script: 'test:faults', args: ['--faults', '2000'] },
  { script: 'test:sim', args: ['--seeds', '50', '--ops', '5000'] },
  { script: 'test:corrupt', args: ['--flips', '20000', '--fuzz', '400000'] },
]

/** Hours. `directory`: where the progress of a part that can go on later is kept. */
export function longParts(directory: string): readonly Part[] {
  const kill = (cycles: string, durability: string): Part => {
    return { script: 'test:kill', args: ['--cycles', cycles, '--durability', durability] }
  }
  return [
    { script: 'test:crash', args: ['--states', '1000000', '--resume', `${directory}/crash.json`] },
    kill('10000', 'sync'),
    kill('5000', 'interval'),
    kill('5000', 'none'),
    { script: 'test:faults', args: ['--all'] },
    { script: 'test:corrupt', args: ['--every-bit', '--fuzz', '50000000'] },
    { script: 'test:sim', args: ['--seeds', '5000', '--ops', '5000'] },
    { script: 'test:gc', args: ['--runs', '20000'] },
    { script: 'test:race', args: ['--rounds', '500'] },
    { script: 'test:model', args: [] },
    { script: 'test:growth', args: [] },
  ]
}
