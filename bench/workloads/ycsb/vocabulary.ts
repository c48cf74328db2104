// The names of the YCSB workloads; in one process, in this order, on the records that `ycsb-load` inserted.
import type { WorkloadInfo } from '../workload-info.ts'
import { YCSB_LOAD, YCSB_MIXES, type YcsbMix } from './mixes.ts'

const PREFIX = 'ycsb-'

export function ycsbName({ letter }: YcsbMix): string {
  return PREFIX + letter.toLowerCase()
}

function info(mix: YcsbMix, rest: Pick<WorkloadInfo, 'begins' | 'operations' | 'seconds'>) {
  const title = `YCSB ${mix.letter}, ${mix.title}`
  return {
    ...rest,
    group: 'ycsb',
    name: ycsbName(mix),
    title,
    spoils: true,
    closes: false,
  } as const
}

export const YCSB_VOCABULARY: readonly WorkloadInfo[] = [
  info(YCSB_LOAD, { begins: 'empty', operations: (records) => records, seconds: undefined }),
  ...YCSB_MIXES.map((mix) => info(mix, { begins: 'filled', operations: undefined, seconds: 5 })),
]
