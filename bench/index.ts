// `sett/bench`: the bench as a library. What it measures runs in processes of its own.

export { ENGINES } from './engines/all-engines.ts'
export type { Engine } from './engines/engine.ts'
export type {
  EngineNote,
  Gap,
  MachineFacts,
  RunRecord,
  Sample,
  Section,
} from './output/record.ts'
export { formatSummary } from './output/summary.ts'
export { writeReport } from './report/write-report.ts'
export { type BenchOptions, runBench } from './run-bench.ts'
export { VOCABULARY } from './workloads/vocabulary.ts'
export type { WorkloadInfo } from './workloads/workload-info.ts'
