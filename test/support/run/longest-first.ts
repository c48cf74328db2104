// The order of the test files: those with a process of their own before those that share one, and the longest first,
// so that a run does not end with one long file on one core. What is not named here goes by its length in the last
// run, or by its size.
import { relative } from 'node:path'
import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Of half a minute to five seconds. */
const LONGEST: readonly string[] = [
  'kill/kill',
  'level/workers',
  'workers/dying-workers',
  'syscalls/syscalls',
  'syscalls/limits',
  'workers/failing-workers',
  'level/inline',
  'growth/growth',
  'race/race',
  'race/stolen-lock',
  'crash/crash',
  'sim/sim',
  'model/model',
  'corrupt/damage/damage',
  'corrupt/repair-segments',
  'behavior/command/bench-command',
  'unit/compaction/space-bound',
  'gc/gc',
  'corrupt/damaged-directories',
  'unit/sstable/round-trip',
  'faults/loop/faults',
  'crash/repair-crash',
  'unit/engine/pressure/garbage-pressure',
  'corrupt/damage/files',
  'unit/engine/smaller-reopen',
  'unit/kernel/memtable-threads',
  'corrupt/fuzz/fuzz',
  'unit/engine/pressure/engine-pressure',
  'unit/kernel/lz4/lz4',
  'unit/engine/expiry/model',
  'unit/compaction/simulation',
  'unit/io/directory-lock',
].map((name) => `test/${name}.test.ts`)

export class LongestFirst extends BaseSequencer {
  override async sort(files: TestSpecification[]): Promise<TestSpecification[]> {
    const sorted = await super.sort(files)
    const { root } = this.ctx.config
    const place = ({ moduleId, project }: TestSpecification): number => {
      const at = LONGEST.indexOf(relative(root, moduleId))
      const group = project.config.isolate ? 0 : LONGEST.length + 1
      return group + (at < 0 ? LONGEST.length : at)
    }
    return sorted.sort((a, b) => place(a) - place(b))
  }
}
