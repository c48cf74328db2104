// Every workload by name: its code, and what the vocabularies say of it.
import { MIXED_WORKLOADS } from './mixed.ts'
import { READ_WORKLOADS } from './read.ts'
import { SCAN_WORKLOADS } from './scan.ts'
import { SPACE_WORKLOADS, UNCLEAN } from './space.ts'
import { VOCABULARY } from './vocabulary.ts'
import type { WorkloadCode } from './workload-code.ts'
import type { WorkloadInfo } from './workload-info.ts'
import { WRITE_WORKLOADS } from './write.ts'
import { YCSB_VOCABULARY } from './ycsb/vocabulary.ts'
import { YCSB_WORKLOADS } from './ycsb/workloads.ts'

export const WORKLOADS: ReadonlyMap<string, WorkloadCode> = new Map([
  ...WRITE_WORKLOADS,
  ...READ_WORKLOADS,
  ...MIXED_WORKLOADS,
  ...SCAN_WORKLOADS,
  ...SPACE_WORKLOADS,
  ...YCSB_WORKLOADS,
])

const INFOS: readonly WorkloadInfo[] = [...VOCABULARY, UNCLEAN, ...YCSB_VOCABULARY]

export interface Workload {
  readonly info: WorkloadInfo
  readonly code: WorkloadCode
}

/** Throws when there is none, naming those there are. */
export function workloadNamed(name: string): Workload {
  const code = WORKLOADS.get(name)
  const info = INFOS.find((one) => one.name === name)
  if (code !== undefined && info !== undefined) return { code, info }
  throw new Error(
    `no workload is called ${name}; known: prepare, ${[...WORKLOADS.keys()].join(', ')}`,
  )
}
