import { expect, it } from 'vitest'
import { statedCommand } from '../../../../bench/commands/outcome.ts'

it('a record states the command without the paths of this machine', () => {
  const args = ['--runs', '3', '--json', 'out/x.json', '--report=y.html', '--keep']
  expect(statedCommand('bench', args)).toBe('bench --runs 3 --keep')
  expect(statedCommand('bench', ['--directory', 'd', '--only', 'readseq'])).toBe(
    'bench --only readseq',
  )
})
